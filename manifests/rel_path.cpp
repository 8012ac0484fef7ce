#include "manifests/rel_path.hpp"

#include <cassert>

namespace driftd::manifests {

bool is_component(std::string_view name) {
  return !name.empty() && name.size() <= kMaxComponent && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

std::optional<RelPath> RelPath::parse(std::string_view text) {
  std::string_view rest = text;
  for (;;) {
    const std::size_t slash = rest.find('/');
    if (!is_component(rest.substr(0, slash))) return std::nullopt;
    if (slash == std::string_view::npos) return RelPath(std::string(text));
    rest.remove_prefix(slash + 1);
  }
}

RelPath RelPath::of_component(std::string_view name) {
  assert(is_component(name));
  return RelPath(std::string(name));
}

RelPath RelPath::child(std::string_view name) const {
  assert(is_component(name));
  std::string text;
  text.reserve(text_.size() + 1 + name.size());
  text.append(text_).append(1, '/').append(name);
  return RelPath(std::move(text));
}

std::string_view RelPath::name() const {
  const std::size_t slash = text_.rfind('/');
  return slash == std::string::npos ? std::string_view(text_) : std::string_view(text_).substr(slash + 1);
}

std::optional<RelPath> RelPath::parent() const {
  const std::size_t slash = text_.rfind('/');
  if (slash == std::string::npos) return std::nullopt;
  return RelPath(text_.substr(0, slash));
}

bool RelPath::is_above(const RelPath& other) const {
  return other.text_.size() > text_.size() && other.text_[text_.size()] == '/' && other.text_.starts_with(text_);
}

}  // namespace driftd::manifests
