#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "manifests/entry.hpp"

/// What an entry says, in words for people. Everything is safe to print; `-` stands for what is not recorded.
namespace driftd::manifests::tool {

/// `file`, `dir` or `link`, as in the manifest.
std::string_view type_word(EntryType type);

std::string owner_text(const Attributes& attributes);
std::string group_text(const Attributes& attributes);
/// USER:GROUP, or a single `-`.
std::string owner_and_group(const Attributes& attributes);

/// `0755` where the bits are recorded, `exec` where it is only known that the owner may execute.
std::string mode_text(const Entry& entry);

std::string size_text(const Entry& entry);

/// Long enough to tell digests apart, too short to be mistaken for one.
std::string short_digest(const std::optional<Digest>& digest);

/// One attribute in which two entries differ.
struct Change {
  std::string_view what;
  std::string before;
  std::string after;
};

/// At least one for entries that are not equal. Where the type differs, the rest is not compared.
std::vector<Change> changes_between(const Entry& before, const Entry& after);

}  // namespace driftd::manifests::tool
