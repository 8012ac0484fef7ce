#include <array>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/utc_time.hpp"
#include "tests/unit/support/random.hpp"

using driftd::manifests::format_utc;
using driftd::manifests::parse_utc;
using driftd::test::Random;

namespace {

constexpr std::int64_t kLastSecond = 253'402'300'799;  // of the year 9999

std::string by_the_c_library(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

}  // namespace

TEST_CASE("times go both ways") {
  struct Row {
    std::int64_t seconds;
    std::string text;
  };
  const std::vector<Row> table = {
      {0, "1970-01-01T00:00:00Z"},
      {59, "1970-01-01T00:00:59Z"},
      {86'399, "1970-01-01T23:59:59Z"},
      {86'400, "1970-01-02T00:00:00Z"},
      {951'782'399, "2000-02-28T23:59:59Z"},
      {951'782'400, "2000-02-29T00:00:00Z"},
      {951'868'800, "2000-03-01T00:00:00Z"},
      {1'677'628'799, "2023-02-28T23:59:59Z"},
      {1'677'628'800, "2023-03-01T00:00:00Z"},
      {1'709'164'800, "2024-02-29T00:00:00Z"},
      {1'795'255'200, "2026-11-21T10:00:00Z"},
      {2'147'483'648, "2038-01-19T03:14:08Z"},
      {4'107'542'400, "2100-03-01T00:00:00Z"},
      {4'294'967'296, "2106-02-07T06:28:16Z"},
      {kLastSecond, "9999-12-31T23:59:59Z"},
  };
  for (const Row& row : table) {
    CAPTURE(row.text);
    CHECK(format_utc(row.seconds) == row.text);
    REQUIRE(parse_utc(row.text));
    CHECK(*parse_utc(row.text) == row.seconds);
  }

  Random random(7);
  for (int round = 0; round < 20'000; ++round) {
    const auto seconds = static_cast<std::int64_t>(random.below(kLastSecond + 1));
    CAPTURE(seconds);
    CHECK(format_utc(seconds) == by_the_c_library(seconds));
    CHECK(parse_utc(format_utc(seconds)) == seconds);
  }
}

TEST_CASE("days that are not in the calendar are refused") {
  const auto days_in = [](int year, int month) {
    if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
  };
  for (const int year : {1970, 1999, 2000, 2023, 2024, 2100, 2400, 9999}) {
    for (int month = 0; month < 100; ++month) {
      for (int day = 0; day < 100; ++day) {
        std::array<char, 64> text{};
        std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT12:00:00Z", year, month, day);
        const bool exists = month >= 1 && month <= 12 && day >= 1 && day <= days_in(year, month);
        CAPTURE(std::string(text.data()));
        CHECK(parse_utc(text.data()).has_value() == exists);
      }
    }
  }
}

TEST_CASE("any other form is refused") {
  for (const std::string_view text : {"",
                                      "2026-11-21",
                                      "2026-11-21T10:00:00",
                                      "2026-11-21T10:00:00z",
                                      "2026-11-21t10:00:00Z",
                                      "2026-11-21 10:00:00Z",
                                      "2026-11-21T10:00:00+00:00",
                                      "2026-11-21T10:00:00.0Z",
                                      "2026-11-21T10:00Z",
                                      "2026-11-21T10:00:00ZZ",
                                      " 2026-11-21T10:00:00Z",
                                      "2026-11-21T10:00:00Z\n",
                                      "2026-11-21T24:00:00Z",
                                      "2026-11-21T10:60:00Z",
                                      "2026-11-21T10:00:60Z",
                                      "2026-11-21T10:00:-1Z",
                                      "2026-11-21T10:00:+1Z",
                                      "2026-1-21T10:00:00Z",
                                      "20261121T100000Z",
                                      "1969-12-31T23:59:59Z",
                                      "0000-01-01T00:00:00Z",
                                      "-001-01-01T00:00:00Z",
                                      "10000-01-01T00:00:00Z",
                                      "2026/11/21T10:00:00Z"}) {
    CAPTURE(std::string(text));
    CHECK_FALSE(parse_utc(text));
  }

  const std::string good = "2026-11-21T10:00:00Z";
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string text = good;
      text[at] = static_cast<char>(byte);
      const auto seconds = parse_utc(text);
      CAPTURE(text);
      if (seconds) CHECK(format_utc(*seconds) == text);
    }
  }
}
