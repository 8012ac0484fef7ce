#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "scanner/finding.hpp"

/// Paths as people are shown them: few, one a line, names made safe.
namespace driftd::daemon {

inline constexpr std::size_t kMostFindings = 20;

/// `age` stands at the line's end, as in `3 min ago`; it may be empty.
struct AgedFinding {
  const scanner::Finding* finding;
  std::string age;
};

/// One line each and some for what is below, all of them: who calls takes no more than kMostFindings.
std::string finding_lines(const std::vector<AgedFinding>& findings);

/// What is said of the rest: a first look at a tree that was never deployed from a release must stay readable.
class DirectoryCounts {
 public:
  void add(std::string_view path);
  [[nodiscard]] bool empty() const { return paths_ == 0; }
  /// How many in all, and the directories with the most.
  [[nodiscard]] std::string text() const;

 private:
  std::map<std::string, std::size_t> directories_;
  std::size_t paths_ = 0;
};

/// Of `all` paths the first ones; `first` may have more of them than are shown.
std::string unverified_lines(const std::vector<scanner::Unverified>& first, std::size_t all);

}  // namespace driftd::daemon
