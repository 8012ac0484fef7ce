#include "manifests/utc_time.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>

namespace driftd::manifests {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

std::string format_utc(std::int64_t seconds) {
  const sys_seconds time{std::chrono::seconds(seconds)};
  const sys_days day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                   static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                                   static_cast<int>(clock.seconds().count()));
  return {text, static_cast<std::size_t>(length)};
}

std::optional<std::int64_t> parse_utc(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:ddZ";
  if (text.size() != kForm.size()) return std::nullopt;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool fits = kForm[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == kForm[i];
    if (!fits) return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t digits) {
    int value = 0;
    std::from_chars(text.data() + at, text.data() + at + digits, value);
    return value;
  };
  const auto date = std::chrono::year(number(0, 4)) / number(5, 2) / number(8, 2);
  const int hour = number(11, 2);
  const int minute = number(14, 2);
  const int second = number(17, 2);
  if (!date.ok() || date.year() < std::chrono::year(1970) || hour > 23 || minute > 59 || second > 59) {
    return std::nullopt;
  }
  const sys_seconds time =
      sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
  return time.time_since_epoch().count();
}

}  // namespace driftd::manifests
