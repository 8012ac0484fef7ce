#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace driftd::scanner {

/// Names that were found in one directory. They may be very many, and nobody asks for one unless the directory has to
/// be listed again: so they are kept as they come, and in order only from put_in_order() on. Not thread-safe.
class FoundNames {
 public:
  void clear() { *this = FoundNames(); }

  void add(std::string_view name) {
    is_ordered_ ? void(ordered_.emplace(name)) : void(as_they_came_.append(name).append(1, '\0'));
  }

  void put_in_order() {
    for (std::string_view rest = as_they_came_; !rest.empty();) {
      const std::size_t end = rest.find('\0');
      ordered_.emplace(rest.substr(0, end));
      rest.remove_prefix(end + 1);
    }
    as_they_came_ = {};
    is_ordered_ = true;
  }
  /// Of those that were there when they were put in order, and of those that came since.
  [[nodiscard]] bool contains(std::string_view name) const { return ordered_.contains(name); }

 private:
  std::string as_they_came_;
  std::set<std::string, std::less<>> ordered_;
  bool is_ordered_ = false;
};

}  // namespace driftd::scanner
