#include "scanner/branch.hpp"

#include <utility>

namespace driftd::scanner {

Branch::~Branch() {
  // What is above goes by the outermost of these calls, one after the other.
  thread_local Pointer* next = nullptr;  // NOLINT: a global, but of these calls alone
  if (next != nullptr) {
    *next = std::move(above_);
    return;
  }
  Pointer above;
  next = &above;
  for (Pointer one = std::move(above_); one; one = std::exchange(above, nullptr)) one.reset();
  next = nullptr;
}

std::string Branch::path() const {
  if (!above_) return name_;
  std::size_t length = 0;
  for (const Branch* at = this; at != nullptr; at = at->above_.get()) length += at->name_.size() + 1;
  std::string path(length - 1, '/');
  std::size_t end = path.size();
  for (const Branch* at = this; at != nullptr; at = at->above_.get()) {
    end -= at->name_.size();
    path.replace(end, at->name_.size(), at->name_);
    if (end > 0) --end;
  }
  if (path.starts_with("./")) path.erase(0, 2);
  return path;
}

std::string DirectoryNames::take_last() {
  all_.pop_back();
  const std::size_t end = all_.rfind('\0');
  const std::size_t begin = end == std::string::npos ? 0 : end + 1;
  std::string name = all_.substr(begin);
  all_.resize(begin);
  return name;
}

std::string join(std::string_view directory, std::string_view name) {
  if (directory == ".") return std::string(name);
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path.append(directory).append(1, '/').append(name);
  return path;
}

}  // namespace driftd::scanner
