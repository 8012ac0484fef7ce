#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include <doctest/doctest.h>

#include "manifests/unique_fd.hpp"
#include "scanner/change_stamp.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::manifests::UniqueFd;
using driftd::scanner::ChangeStamp;
using driftd::scanner::FileTime;
using driftd::test::TempTree;

namespace {

constexpr int kRounds = 20'000;

UniqueFd new_file(const TempTree& tree) {
  return UniqueFd(::open(tree.at("file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

void write_to(const UniqueFd& file) { REQUIRE(::pwrite(file.get(), "x", 1, 0) == 1); }

ChangeStamp stamp_of(const UniqueFd& file) {
  const auto stamp = ChangeStamp::of(file.get());
  REQUIRE(stamp);
  return *stamp;
}

}  // namespace

TEST_CASE("a change right after a look shows, where the stamp says that it will") {
  for (const TempTree::Where where : {TempTree::Where::disk, TempTree::Where::memory}) {
    const TempTree tree(where);
    const UniqueFd file = new_file(tree);
    int told = 0;
    for (int round = 0; round < kRounds; ++round) {
      write_to(file);
      const FileTime before = FileTime::now();
      const ChangeStamp stamp = stamp_of(file);
      if (!stamp.told_apart(before) && !stamp.is_fine(file.get())) continue;
      ++told;
      write_to(file);
      REQUIRE(stamp_of(file) != stamp);
    }
    MESSAGE(told << " of " << kRounds << " stamps were good for comparing at once");
  }
}

TEST_CASE("where a stamp does not say so, it does after a tick") {
  const TempTree tree;
  const UniqueFd file = new_file(tree);
  for (int round = 0; round < 20; ++round) {
    write_to(file);
    stamp_of(file).wait_for_next_tick({});
    const FileTime before = FileTime::now();
    const ChangeStamp stamp = stamp_of(file);
    REQUIRE(stamp.told_apart(before));
    write_to(file);
    REQUIRE(stamp_of(file) != stamp);
  }
}
