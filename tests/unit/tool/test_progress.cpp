#include <doctest/doctest.h>

#include "manifests/tool/progress.hpp"

using namespace driftd::manifests::tool;

TEST_CASE("progress is said in files, bytes and bytes a second") {
  CHECK(progress_line(0, 0, 0) == "0 files, 0 B");
  CHECK(progress_line(1, 1023, 1) == "1 files, 1023 B, 1023 B/s");
  CHECK(progress_line(12034, 1288490189, 4) == "12034 files, 1.2 GiB, 307.2 MiB/s");
}

TEST_CASE("where the whole is known, progress says how far it is and how long it will take") {
  constexpr std::uint64_t kGiB = 1U << 30U;
  CHECK(progress_line(0, 0, 0, kGiB) == "0 files, 0 B of 1.0 GiB (0 %)");
  CHECK(progress_line(0, 0, 1, kGiB) == "0 files, 0 B of 1.0 GiB (0 %), 0 B/s");
  CHECK(progress_line(7, kGiB, 4, 4 * kGiB) == "7 files, 1.0 GiB of 4.0 GiB (25 %), 256.0 MiB/s, 12 s left");
  CHECK(progress_line(8, kGiB, 4, kGiB) == "8 files, 1.0 GiB of 1.0 GiB (100 %), 256.0 MiB/s, 0 s left");
  CHECK(progress_line(9, kGiB + 1, 4, kGiB) == "9 files, 1.0 GiB, 256.0 MiB/s");  // a file grew
}
