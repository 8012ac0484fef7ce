#include "scanner/scope.hpp"

namespace driftd::scanner {

using manifests::RelPath;

Scope Scope::whole() {
  Scope scope;
  scope.add_whole();
  return scope;
}

void Scope::add(const RelPath& path) {
  if (covers(path.str())) return;
  // What lies below `path` sorts behind it, though not next to it: "a", "a-b", "a/c".
  for (auto at = paths_.upper_bound(path); at != paths_.end() && at->str().starts_with(path.str());) {
    at = path.is_above(*at) ? paths_.erase(at) : std::next(at);
  }
  paths_.insert(path);
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
  auto at = RelPath::parse(path);  // `.` is no RelPath
  while (at) {
    if (paths_.contains(*at)) return true;
    at = at->parent();
  }
  return false;
}

}  // namespace driftd::scanner
