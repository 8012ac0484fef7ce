#include <doctest/doctest.h>

#include "manifests/tool/progress.hpp"

using namespace driftd::manifests::tool;

TEST_CASE("progress is said in files, bytes and bytes a second") {
  CHECK(progress_line(0, 0, 0) == "0 files, 0 B");
  CHECK(progress_line(1, 1023, 1) == "1 files, 1023 B, 1023 B/s");
  CHECK(progress_line(12034, 1288490189, 4) == "12034 files, 1.2 GiB, 307.2 MiB/s");
}
