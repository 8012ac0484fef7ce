#include <doctest/doctest.h>

#include "manifests/progress_line.hpp"

using namespace driftd::manifests;

namespace {

constexpr std::uint64_t kGiB = 1U << 30U;

std::string line(const WorkDone& work, std::size_t columns = 200) { return progress_line(work, columns); }

}  // namespace

TEST_CASE("progress is said in items, bytes and bytes a second") {
  CHECK(line({"files", 0, 0, 0, 0, 0}) == "0 files, 0 B");
  CHECK(line({"files", 1, 0, 1023, 0, 1}) == "1 files, 1023 B, 1023 B/s");
  CHECK(line({"files", 12034, 0, 1288490189, 0, 4}) == "12034 files, 1.2 GiB, 307.2 MiB/s");
}

TEST_CASE("where the whole is known, progress says how far it is and how long it will take") {
  const std::string empty(29, ' ');
  CHECK(line({"files", 0, 0, 0, kGiB, 0}) == "[>" + empty + "] 0 %  0 files, 0 B of 1.0 GiB");
  CHECK(line({"files", 0, 0, 0, kGiB, 1}) == "[>" + empty + "] 0 %  0 files, 0 B of 1.0 GiB, 0 B/s");
  CHECK(line({"files", 7, 0, kGiB, 4 * kGiB, 4}) ==
        "[=======>                      ] 25 %  7 files, 1.0 GiB of 4.0 GiB, 256.0 MiB/s, 12 s left");
  CHECK(line({"files", 8, 0, kGiB, kGiB, 4}) ==
        "[==============================] 100 %  8 files, 1.0 GiB of 1.0 GiB, 256.0 MiB/s, 0 s left");
  CHECK(line({"files", 9, 0, kGiB + 1, kGiB, 4}) == "9 files, 1.0 GiB, 256.0 MiB/s");  // a file grew
}

TEST_CASE("small files take their time too") {
  // Half of the entries, and none of the bytes that a large file at the end has.
  CHECK(line({"entries", 50, 100, 0, 100 * 16 * 1024, 1}) ==
        "[=======>                      ] 25 %  50 of 100 entries, 0 B of 1.6 MiB, 0 B/s, 3 s left");
  CHECK(line({"entries", 50, 100, 0, 0, 1}) ==
        "[===============>              ] 50 %  50 of 100 entries, 0 B, 0 B/s, 1 s left");
}

TEST_CASE("the time that is left is as exact as it can be") {
  const auto left = [](double seconds) {
    const std::string text = line({"files", 1, 0, kGiB, 2 * kGiB, seconds});
    return text.substr(text.rfind(", ") + 2);
  };
  CHECK(left(119) == "119 s left");
  CHECK(left(121) == "2 min left");
  CHECK(left(3600) == "60 min left");
  CHECK(left(3 * 3600) == "3 h left");
}

TEST_CASE("a line fits into any terminal") {
  const WorkDone work{"entries", 1234567, 9999999, 5 * kGiB, 40 * kGiB, 61};
  const std::string whole = line(work);
  for (std::size_t columns = 0; columns < 140; ++columns) {
    CAPTURE(columns);
    const std::string text = line(work, columns);
    CHECK(text.size() <= columns);
  }
  // The totals go before the bar, and the bar before the rest.
  CHECK(line(work, 120).starts_with("[==="));
  CHECK(line(work, 120).ends_with("] 12 %  1234567 of 9999999 entries, 5.0 GiB of 40.0 GiB, 83.9 MiB/s, 7 min left"));
  CHECK(line(work, 79).starts_with("[=="));
  CHECK(line(work, 79).ends_with("] 12 %  1234567 entries, 5.0 GiB, 83.9 MiB/s, 7 min left"));
  CHECK(line(work, 60) == "12 %  1234567 entries, 5.0 GiB, 83.9 MiB/s, 7 min left");
  CHECK(line(work, 20) == "12 %  1234567 entrie");
}
