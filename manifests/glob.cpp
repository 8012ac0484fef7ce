#include "manifests/glob.hpp"

#include <algorithm>

#include "manifests/escape.hpp"
#include "manifests/octal.hpp"
#include "manifests/rel_path.hpp"

namespace driftd::manifests {
namespace {

constexpr char kStar = '\0';

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> components;
  for (;;) {
    const std::size_t slash = path.find('/');
    components.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return components;
    path.remove_prefix(slash + 1);
  }
}

/// Matches a sequence against a pattern with wildcards that stand for any run of elements. Going back to the last
/// wildcard alone is enough: whatever an earlier one could give up, the last one can take.
template <class Pattern, class Sequence, class IsWildcard, class ElementMatches>
bool match_runs(const Pattern& pattern, const Sequence& sequence, IsWildcard is_wildcard,
                ElementMatches element_matches) {
  std::size_t at_pattern = 0;
  std::size_t at_sequence = 0;
  std::optional<std::size_t> last_wildcard;
  std::size_t resume = 0;
  while (at_sequence < sequence.size()) {
    if (at_pattern < pattern.size() && is_wildcard(pattern[at_pattern])) {
      last_wildcard = at_pattern++;
      resume = at_sequence;
    } else if (at_pattern < pattern.size() && element_matches(pattern[at_pattern], sequence[at_sequence])) {
      ++at_pattern;
      ++at_sequence;
    } else if (last_wildcard) {
      at_pattern = *last_wildcard + 1;
      at_sequence = ++resume;
    } else {
      return false;
    }
  }
  while (at_pattern < pattern.size() && is_wildcard(pattern[at_pattern])) ++at_pattern;
  return at_pattern == pattern.size();
}

bool component_matches(std::string_view pattern, std::string_view name) {
  return match_runs(
      pattern, name, [](char c) { return c == kStar; }, [](char a, char b) { return a == b; });
}

Error refuse(std::string_view text, std::string_view why) {
  return {ErrorCode::format, "glob '" + escape(text) + "': " + std::string(why)};
}

/// Raw bytes of one component, with kStar for each `*`.
Result<std::string> compile_component(std::string_view glob, std::string_view component) {
  std::string raw;
  for (std::string_view rest = component;;) {
    const std::size_t star = rest.find('*');
    const std::size_t before = raw.size();
    if (!unescape_octal(rest.substr(0, star), raw)) {
      return refuse(glob, "a backslash must start an escape of three octal digits");
    }
    if (raw.find_first_of(std::string_view("/\0", 2), before) != std::string::npos) {
      return refuse(glob, "an escaped slash or NUL can match no name");
    }
    if (star == std::string_view::npos) break;
    raw += kStar;
    rest.remove_prefix(star + 1);
  }
  if (raw.empty() || raw == "." || raw == "..") return refuse(glob, "components must be names");
  return raw;
}

}  // namespace

Result<Glob> Glob::parse(std::string_view text) {
  if (text.size() > kMaxGlob) return refuse(text.substr(0, 40), "longer than 1024 bytes");
  // A rule is a header line: a line end in it would start another header.
  if (!is_printable_ascii(text)) return refuse(text, "not printable ASCII; write any other byte as \\ooo in octal");
  if (text.ends_with('/')) return refuse(text, "no final slash; all below a directory is var/cache/**");
  Glob glob;
  glob.text_ = text;
  bool any_literal = false;
  for (const std::string_view component : split(text)) {
    if (component == "**") {
      glob.components_.emplace_back();
      continue;
    }
    if (component.find("**") != std::string_view::npos) return refuse(text, "** must be a whole component");
    if (component.find_first_of("?[") != std::string_view::npos) {
      return refuse(text, "only * and ** are wildcards; write ? as \\077 and [ as \\133");
    }
    auto raw = compile_component(text, component);
    if (!raw) return raw.error();
    any_literal = any_literal || component.find('*') == std::string_view::npos;
    glob.components_.push_back(std::move(*raw));
  }
  if (!any_literal) return refuse(text, "at least one component must be without a wildcard, as in var/cache/**");
  return glob;
}

bool Glob::matches(std::string_view path) const {
  return match_runs(
      components_, split(path), [](const std::string& component) { return component.empty(); }, component_matches);
}

std::optional<std::string> Glob::literal_directory() const {
  if (components_.size() < 2 || !components_.back().empty()) return std::nullopt;
  std::string directory;
  for (std::size_t i = 0; i + 1 < components_.size(); ++i) {
    if (components_[i].empty() || components_[i].find(kStar) != std::string::npos) return std::nullopt;
    if (i > 0) directory += '/';
    directory += components_[i];
  }
  return directory;
}

}  // namespace driftd::manifests
