#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/signed_file.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::manifests::belongs_to_manifest;
using driftd::manifests::ErrorCode;
using driftd::manifests::read_signed_file;
using driftd::manifests::SignedBytes;
using driftd::test::check_error;
using driftd::test::must;
using driftd::test::TempTree;

namespace {

const std::string kId = "0123456789ABCDEF";

using Texts = std::vector<std::string>;

/// Goes to a directory for as long as it lives.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(const std::string& path) : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(path);
  }
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;
  ~WorkingDirectory() {
    std::error_code ignored;
    std::filesystem::current_path(before_, ignored);
  }

 private:
  std::filesystem::path before_;
};

}  // namespace

TEST_CASE("a manifest's files are known by their names") {
  struct Row {
    std::string name;
    bool belongs;
  };
  const std::vector<Row> table = {
      {"app.manifest", true},
      {"app.manifest.minisig", true},
      {"app.manifest.minisig." + kId, true},
      {"app.manifest.minisig.0000000000000000", true},
      {"", false},
      {"app", false},
      {"app.manifest2", false},
      {"app.manifest.minisig2", false},
      {"app.manifest.minisig.", false},
      {"app.manifest.minisig." + kId + "0", false},
      {"app.manifest.minisig." + kId.substr(1), false},
      {"app.manifest.minisig.0123456789abcdef", false},
      {"app.manifest.minisig." + kId + ".minisig", false},
      {"app.manifest.minisig-" + kId, false},
      {"app.manifest." + kId, false},
      {"app.manifest.minisig.AbCdEf", false},  // a temporary file of write_file()
      {"app.manifest.AbCdEf", false},
      {"app.manifest.bak", false},
      {"app.manifest.pub", false},
      {".app.manifest", false},
      {"xapp.manifest.minisig", false},
      {"App.manifest", false},
  };
  for (const Row& row : table) {
    CAPTURE(row.name);
    CHECK(belongs_to_manifest(row.name, "app.manifest") == row.belongs);
  }
}

TEST_CASE("a manifest is read with all signatures beside it, and with nothing else") {
  const TempTree tree;
  tree.file("app.manifest", std::string("manifest\0bytes\n", 15));
  tree.file("app.manifest.minisig." + kId, "second");
  tree.file("app.manifest.minisig.FEDCBA9876543210", "third");
  tree.file("app.manifest.minisig", "first");
  tree.file("app.manifest.minisig.bak", "no");
  tree.file("app.manifest.minisig.fedcba9876543210", "no");
  tree.file("app.manifest2.minisig", "no");
  tree.file("other.manifest.minisig", "no");
  tree.dir("below");
  tree.file("below/app.manifest.minisig", "no");
  const auto check = [](const SignedBytes& read) {
    CHECK((read.bytes.text() == std::string("manifest\0bytes\n", 15)));
    CHECK((read.signatures == Texts{"first", "second", "third"}));
  };
  check(must(read_signed_file(tree.at("app.manifest"))));
  const WorkingDirectory here(tree.path());
  check(must(read_signed_file("app.manifest")));
  check(must(read_signed_file("./app.manifest")));
  check(must(read_signed_file("below/../app.manifest")));
}

TEST_CASE("reading a manifest leaves no trace in access times, and goes on where that cannot be had") {
  const TempTree tree;
  tree.dir("dir", 0755);
  tree.file("dir/app.manifest", "bytes");
  tree.file("dir/app.manifest.minisig", "signature");
  const timespec old[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  for (const char* name : {"dir/app.manifest", "dir/app.manifest.minisig", "dir"}) {
    REQUIRE(::utimensat(AT_FDCWD, tree.at(name).c_str(), old, 0) == 0);
  }
  CHECK(must(read_signed_file(tree.at("dir/app.manifest"))).signatures.size() == 1);
  for (const char* name : {"dir/app.manifest", "dir/app.manifest.minisig", "dir"}) {
    CAPTURE(name);
    struct stat status {};
    REQUIRE(::stat(tree.at(name).c_str(), &status) == 0);
    CHECK(status.st_atim.tv_sec == 1'000'000'000);
  }
  if (!driftd::test::is_root()) return driftd::test::skip("the rest needs root");
  CHECK(driftd::test::as_nobody([&]() -> std::string {
          const auto read = read_signed_file(tree.at("dir/app.manifest"));
          return read ? "" : read.error().message;
        }) == "");
}

TEST_CASE("the signatures of a link stand beside the link") {
  const TempTree tree;
  tree.dir("releases");
  tree.file("releases/v103.manifest", "bytes");
  tree.file("releases/v103.manifest.minisig", "beside the target");
  tree.link("current.manifest", "releases/v103.manifest");
  check_error(read_signed_file(tree.at("current.manifest")), ErrorCode::signature, "current.manifest.minisig");
  tree.link("current.manifest.minisig", "releases/v103.manifest.minisig");
  CHECK((must(read_signed_file(tree.at("current.manifest"))).signatures == Texts{"beside the target"}));
}

TEST_CASE("a manifest without a signature is an error that says where one belongs") {
  const TempTree tree;
  tree.file("app\n.manifest", "bytes");
  tree.file("app\n.manifest.sig", "not ours");
  check_error(read_signed_file(tree.at("app\n.manifest")), ErrorCode::signature,
              "/app\\x0a.manifest.minisig: no signature");
}

TEST_CASE("sixteen signatures are enough") {
  const TempTree tree;
  tree.file("app.manifest", "bytes");
  for (char digit = 'A'; digit <= 'F'; ++digit) {
    tree.file("app.manifest.minisig.000000000000000" + std::string(1, digit), std::string(1, digit));
  }
  for (char digit = '0'; digit <= '8'; ++digit) {
    tree.file("app.manifest.minisig.000000000000000" + std::string(1, digit), std::string(1, digit));
  }
  tree.file("app.manifest.minisig", "first");
  const SignedBytes read = must(read_signed_file(tree.at("app.manifest")));
  CHECK((read.signatures == Texts{"first", "0", "1", "2", "3", "4", "5", "6", "7", "8", "A", "B", "C", "D", "E", "F"}));
  tree.file("app.manifest.minisig.0000000000000009", "9");
  check_error(read_signed_file(tree.at("app.manifest")), ErrorCode::size, "app.manifest: more than 16 signatures");
}

TEST_CASE("limits hold for the manifest and each signature") {
  const TempTree tree;
  tree.file("app.manifest", "12345");
  tree.file("app.manifest.minisig", std::string(4096, 'x'));
  CHECK(must(read_signed_file(tree.at("app.manifest"), 5)).signatures.front().size() == 4096);
  check_error(read_signed_file(tree.at("app.manifest"), 4), ErrorCode::size,
              "app.manifest: larger than the limit of 4 bytes");
  tree.append("app.manifest.minisig", "x");
  check_error(read_signed_file(tree.at("app.manifest"), 5), ErrorCode::size,
              "app.manifest.minisig: larger than the limit of 4096 bytes");
}

TEST_CASE("what cannot be read is an error of its own") {
  const TempTree tree;
  check_error(read_signed_file(tree.at("app.manifest")), ErrorCode::unreadable, "app.manifest: No such file");
  check_error(read_signed_file(tree.at("missing/app.manifest")), ErrorCode::unreadable, "No such file");
  tree.file("app.manifest.minisig", "a signature alone");
  check_error(read_signed_file(tree.at("app.manifest")), ErrorCode::unreadable, "app.manifest: No such file");
  tree.dir("app.manifest");
  check_error(read_signed_file(tree.at("app.manifest")), ErrorCode::unreadable, "not a regular file");
  tree.remove("app.manifest");

  tree.file("app.manifest", "bytes");
  const std::string further = "app.manifest.minisig." + kId;
  tree.dir(further);
  check_error(read_signed_file(tree.at("app.manifest")), ErrorCode::unreadable, kId + ": not a regular file");
  tree.remove(further);
  tree.fifo(further);
  check_error(read_signed_file(tree.at("app.manifest")), ErrorCode::unreadable, kId + ": not a regular file");
  tree.remove(further);
  tree.link(further, "nowhere");
  check_error(read_signed_file(tree.at("app.manifest")), ErrorCode::unreadable, kId + ": No such file");
}
