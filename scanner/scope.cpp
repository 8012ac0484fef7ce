#include "scanner/scope.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>

namespace driftd::scanner {

using manifests::RelPath;

namespace {

/// The length of what both begin with. Paths may be very long, and have nearly all of it in common.
std::size_t common_length(std::string_view one, std::string_view other) {
  constexpr std::size_t kBlock = 256;
  const std::size_t size = std::min(one.size(), other.size());
  std::size_t at = 0;
  while (size - at >= kBlock && std::memcmp(one.data() + at, other.data() + at, kBlock) == 0) at += kBlock;
  while (at < size && one[at] == other[at]) ++at;
  return at;
}

bool is_at_or_above(std::string_view top, std::string_view path) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

}  // namespace

bool Scope::Order::is_before(std::string_view one, std::string_view other) {
  const std::size_t at = common_length(one, other);
  if (at == one.size() || at == other.size()) return one.size() < other.size();
  const auto rank = [](char byte) { return byte == '/' ? 0 : static_cast<unsigned char>(byte); };  // no path holds NUL
  return rank(one[at]) < rank(other[at]);
}

Scope Scope::whole() {
  Scope scope;
  scope.add_whole();
  return scope;
}

void Scope::add(const RelPath& path) {
  if (covers(path.str())) return;
  auto at = paths_.lower_bound(path);
  while (at != paths_.end() && path.is_above(*at)) at = paths_.erase(at);
  paths_.insert(at, path);
}

void Scope::add_all(const Scope& other) {
  if (other.whole_) return add_whole();
  for (const RelPath& path : other.paths_) add(path);
}

void Scope::add_whole() {
  whole_ = true;
  paths_.clear();
}

bool Scope::covers(std::string_view path) const {
  if (whole_) return true;
  // What stands between a path and one below it lies below the first, too, and so is not in the set.
  const auto after = paths_.upper_bound(path);
  return after != paths_.begin() && is_at_or_above(std::prev(after)->str(), path);
}

}  // namespace driftd::scanner
