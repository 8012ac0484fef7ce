#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/fingerprint.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::daemon;
using driftd::test::TempTree;

TEST_CASE("a fingerprint changes with what decides a verdict, and with nothing else") {
  struct Case {
    const char* what;
    bool counts;
    std::function<void(const TempTree&)> act;
  };
  for (const Case& one : std::vector<Case>{
           {"nothing", false, [](auto&) {}},
           {"a file in the tree", false, [](auto& files) { files.file("releases/1/file", "x"); }},
           {"another manifest", false, [](auto& files) { files.file("manifests/other.manifest", "x"); }},
           {"no signature", false, [](auto& files) { files.file("manifests/app.manifest.minisig.notakeyid", "x"); }},
           {"the root leads elsewhere", true,
            [](auto& files) { files.remove("current"), files.link("current", "releases/2"); }},
           {"the same root by another link", false,
            [](auto& files) { files.remove("current"), files.link("current", "./releases/../releases/1"); }},
           {"the root goes", true, [](auto& files) { files.remove("releases/1"); }},
           {"the manifest is written in place", true, [](auto& files) { files.append("manifests/app.manifest", "x"); }},
           {"the manifest is replaced by one that looks the same", true,
            [](auto& files) { files.file("new", "one"), files.rename("new", "manifests/app.manifest"); }},
           {"the manifest goes", true, [](auto& files) { files.remove("manifests/app.manifest"); }},
           {"the signature is replaced", true,
            [](auto& files) { files.file("new", "one"), files.rename("new", "manifests/app.manifest.minisig"); }},
           {"a further signature", true,
            [](auto& files) { files.file("manifests/app.manifest.minisig.0123456789ABCDEF", "x"); }},
           {"a key is replaced", true, [](auto& files) { files.append("trust/ci.pub", "x"); }},
           {"a key comes", true, [](auto& files) { files.file("trust/other.pub", "x"); }},
           {"a key goes", true, [](auto& files) { files.remove("trust/ci.pub"); }},
           {"a key is revoked", true, [](auto& files) { files.file("trust/revoked", "0123456789ABCDEF\n"); }},
           {"a trust directory's rights", true, [](auto& files) { files.mode("trust", 0777); }},
           {"a trust directory comes", true, [](auto& files) { files.dir("later"); }},
       }) {
    CAPTURE(one.what);
    const TempTree files;
    files.dirs("releases/1");
    files.dirs("releases/2");
    files.link("current", "releases/1");
    files.dir("manifests");
    files.file("manifests/app.manifest", "one");
    files.file("manifests/app.manifest.minisig", "one");
    files.dir("trust");
    files.file("trust/ci.pub", "key");
    TreeConfig tree;
    tree.root = files.at("current");
    tree.manifest = files.at("manifests/app.manifest");
    const TrustConfig trust{{files.at("trust"), files.at("later")}, 1};
    const std::string before = fingerprint(tree, trust);
    one.act(files);
    CHECK((fingerprint(tree, trust) != before) == one.counts);
  }
}

TEST_CASE("a root has a fingerprint of its own") {
  const TempTree files;
  files.dir("a");
  files.dir("b");
  files.link("to_a", "a");
  CHECK(root_fingerprint(files.at("a")) == root_fingerprint(files.at("to_a")));
  CHECK(root_fingerprint(files.at("a")) != root_fingerprint(files.at("b")));
  CHECK(root_fingerprint(files.at("none")) == "none");
}

TEST_CASE("a look leaves the access times of directories alone") {
  const TempTree files;
  files.dir("manifests");
  files.file("manifests/app.manifest", "one");
  files.dir("trust");
  // Accessed before it was changed last: the next look would show on any file system that keeps such times.
  const std::array<timespec, 2> times = {timespec{1, 0}, timespec{2, 0}};
  const auto accessed_at = [&](const char* directory) {
    struct stat status {};
    REQUIRE(::stat(files.at(directory).c_str(), &status) == 0);
    return status.st_atim.tv_sec;
  };
  for (const char* directory : {"manifests", "trust"}) {
    REQUIRE(::utimensat(AT_FDCWD, files.at(directory).c_str(), times.data(), 0) == 0);
  }
  TreeConfig tree;
  tree.root = files.at("manifests");
  tree.manifest = files.at("manifests/app.manifest");
  CHECK(fingerprint(tree, {{files.at("trust")}, 1}).find("app.manifest") != std::string::npos);
  CHECK(accessed_at("manifests") == 1);
  CHECK(accessed_at("trust") == 1);
}
