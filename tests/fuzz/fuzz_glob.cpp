#include <string>
#include <string_view>
#include <vector>

#include "manifests/glob.hpp"
#include "manifests/octal.hpp"
#include "tests/fuzz/fuzz.hpp"

using driftd::fuzz::require;
using driftd::manifests::Glob;

namespace {

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t slash = text.find('/');
    parts.push_back(text.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    text.remove_prefix(slash + 1);
  }
}

/// One row of a table after the other: reach[i] says that the first i of the sequence match the pattern so far. It
/// never goes back, so that it is plainly right and plainly bounded.
template <class Sequence, class IsRun, class Matches>
bool reaches_end(const std::size_t pattern_size, const Sequence& sequence, IsRun is_run, Matches matches) {
  std::vector<bool> reach(sequence.size() + 1, false);
  reach[0] = true;
  for (std::size_t at = 0; at < pattern_size; ++at) {
    std::vector<bool> next(sequence.size() + 1, false);
    for (std::size_t i = 0; i <= sequence.size(); ++i) {
      if (is_run(at)) {
        next[i] = reach[i] || (i > 0 && next[i - 1]);
      } else if (i > 0) {
        next[i] = reach[i - 1] && matches(at, sequence[i - 1]);
      }
    }
    reach = next;
  }
  return reach.back();
}

struct Token {
  bool any;
  char byte;
};

std::vector<Token> tokens_of(std::string_view component) {
  std::vector<Token> tokens;
  while (!component.empty()) {
    const std::size_t length = component.front() == '\\' ? 4 : 1;
    std::string byte;
    require(driftd::manifests::unescape_octal(component.substr(0, length), byte) && byte.size() == 1,
            "a glob that is taken has whole escapes only");
    tokens.push_back({component.front() == '*', byte.front()});
    component.remove_prefix(length);
  }
  return tokens;
}

bool reference_matches(std::string_view glob, std::string_view path) {
  const auto patterns = split(glob);
  return reaches_end(
      patterns.size(), split(path), [&](std::size_t at) { return patterns[at] == "**"; },
      [&](std::size_t at, std::string_view name) {
        const auto tokens = tokens_of(patterns[at]);
        return reaches_end(
            tokens.size(), name, [&](std::size_t token) { return tokens[token].any; },
            [&](std::size_t token, char byte) { return tokens[token].byte == byte; });
      });
}

}  // namespace

// The first line is a glob, the rest a path. How long it may take is for who runs this to say.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = driftd::fuzz::as_text(data, size);
  const std::size_t end = input.find('\n');
  const auto glob = Glob::parse(input.substr(0, end));
  if (!glob) {
    require(!glob.error().message.empty(), "a refusal has a reason");
    return 0;
  }
  require(glob->text() == input.substr(0, end), "a glob keeps its text");
  // The table is slow; the matcher itself also gets what is too long for it.
  const auto path = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
  const bool matches = glob->matches(path);
  if (path.size() <= 512) {
    require(matches == reference_matches(glob->text(), path), "the matcher agrees with the plain one");
  }
  if (const auto directory = glob->literal_directory()) {
    require(glob->matches(*directory) && glob->matches(*directory + "/x"), "LITERAL/** covers its directory");
  }
  return 0;
}
