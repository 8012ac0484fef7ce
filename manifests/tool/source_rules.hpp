#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manifests/entry.hpp"
#include "manifests/error.hpp"
#include "manifests/glob.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/source_item.hpp"

/// What becomes of a source's paths one by one. Pure functions: no file system, and no knowledge of what kind of
/// source it is.
namespace driftd::manifests::tool {

/// Who owns every path, or that the source says it, or that nothing is recorded.
struct OwnerRule {
  enum class From { none, source, given };
  From from = From::none;
  Attributes given;  ///< the four owner attributes alone
};

/// `none`, `source` or USER:GROUP; a part that is all digits is a number.
Result<OwnerRule> parse_owner(const std::string& text);

/// A link that the deploy makes.
struct DeployLink {
  std::string path;
  std::string target;
};

/// What to take over from a source, and what to leave unchecked. Paths are those of the release.
struct SourceRules {
  std::size_t strip_components = 0;
  std::string subdir;  ///< after stripping; empty: all
  ModePolicy mode = ModePolicy::exec;
  OwnerRule owner;
  bool blake3 = true;
  bool sha256 = true;
  std::vector<Glob> mutable_globs;
  std::vector<std::string> optional_paths;
  std::vector<std::string> generated_paths;
  std::vector<DeployLink> links;
};

/// Where a path of the source comes to stand.
struct Place {
  enum class Where {
    inside,    ///< at `path`, `.` for the release's root
    stripped,  ///< nowhere: it has too few components; something below it may
    above,     ///< nowhere: it is on the way to `subdir`
    outside,   ///< nowhere, nor anything below it
  };
  Where where = Where::outside;
  std::string path;
};

/// Components are counted without a leading `./`. As tar does, stripping leaves out what has no more components than
/// are stripped, so the directory that becomes the root gives it no attributes.
Place place(const SourceRules& rules, std::string_view source_path);

/// What a source has to find out about one of its paths.
enum class Interest {
  none,        ///< not even its attributes, nor anything below it
  below,       ///< nothing of itself, but what is below it
  attributes,  ///< what it is
  content,     ///< that, and a file's digests
};
Interest interest_in(const SourceRules& rules, std::string_view source_path);

/// How far mutable rules cover a path of the release.
enum class Mutability {
  no,
  covered,    ///< some rule matches
  directory,  ///< a rule LITERAL/** names it: listed with `ignore`, if it is a directory
  below,      ///< it lies below such a directory
};
Mutability mutability(const SourceRules& rules, std::string_view path);

/// The entry for an item that is listed at `path`, without regard to mutable and optional rules. Refused: what a
/// manifest cannot list, and what a host would never accept under the rules.
Result<Entry> make_entry(const SourceRules& rules, const std::string& path, const SourceItem& item);

/// The entry for something that the source does not say a word of: owner as the rules give it, no mode.
Entry unseen_entry(const SourceRules& rules, EntryType type);

}  // namespace driftd::manifests::tool
