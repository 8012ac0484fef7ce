#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/minisign.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/random.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::manifests::minisign;
using driftd::test::must;
using driftd::test::Random;
using driftd::test::read_whole;
using driftd::test::TempTree;

/// Any file, and not manifests alone: `driftd-manifest sign` signs nothing else, so this is tried here.
namespace {

constexpr int kFiles = 1000;
constexpr std::size_t kLargest = 64 * 1024;

/// The exit code of stock minisign, which has nothing to read and nobody to talk to; -1 where it could not be run.
int stock(std::vector<std::string> words) {
  words.insert(words.begin(), "minisign");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t silent;
  ::posix_spawn_file_actions_init(&silent);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::posix_spawn_file_actions_addopen(&silent, fd, "/dev/null", O_RDWR, 0);
  }
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "minisign", &silent, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&silent);
  int status = 0;
  if (error != 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

bool has_stock_minisign() {
  if (stock({"-v"}) == 0) return true;
  driftd::test::skip("minisign is not installed");
  return false;
}

std::vector<std::string> random_files(const TempTree& tree, Random& random) {
  std::vector<std::string> contents;
  for (int i = 0; i < kFiles; ++i) {
    contents.push_back(random.bytes(i < 3 ? static_cast<std::size_t>(i) : random.below(kLargest + 1)));
    tree.file(std::to_string(i), contents.back());
  }
  return contents;
}

}  // namespace

TEST_CASE("1,000 random files that we sign verify with stock minisign") {
  if (!has_stock_minisign()) return;
  const TempTree tree;
  Random random(80);
  const auto contents = random_files(tree, random);
  const SecretKey key = SecretKey::generate();
  tree.file("key.pub", write_public_key(key.public_key()));
  int verified = 0;
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = std::to_string(i);
    const std::string comment = random.from("abcdefghijklmnopqrstuvwxyz 0123456789", random.below(100));
    tree.file(name + ".minisig", key.sign(contents[static_cast<std::size_t>(i)], comment));
    if (stock({"-V", "-H", "-q", "-p", tree.at("key.pub"), "-m", tree.at(name)}) == 0) ++verified;
  }
  CHECK(verified == kFiles);
  tree.file("500", contents[500] + "x");
  CHECK(stock({"-V", "-H", "-q", "-p", tree.at("key.pub"), "-m", tree.at("500")}) != 0);
}

TEST_CASE("1,000 random files that stock minisign signs verify with us") {
  if (!has_stock_minisign()) return;
  const TempTree tree;
  Random random(81);
  auto contents = random_files(tree, random);
  REQUIRE(stock({"-G", "-W", "-p", tree.at("key.pub"), "-s", tree.at("key.sec")}) == 0);
  const PublicKey key = must(parse_public_key(read_whole(tree.at("key.pub"))));
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = std::to_string(i);
    REQUIRE(stock({"-S", "-s", tree.at("key.sec"), "-t", "file " + name, "-m", tree.at(name)}) == 0);
    const Signature signature = must(parse_signature(read_whole(tree.at(name + ".minisig"))));
    std::string& content = contents[static_cast<std::size_t>(i)];
    CAPTURE(i);
    CHECK(signature.trusted_comment == "file " + name);
    CHECK(verify(signature, key, prehash(content)));
    if (content.empty()) continue;
    content[random.below(content.size())] ^= 1;
    CHECK_FALSE(verify(signature, key, prehash(content)));
  }
}
