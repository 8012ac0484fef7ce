#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "manifests/manifest.hpp"
#include "manifests/mtree.hpp"
#include "manifests/rel_path.hpp"
#include "manifests/tool/archive_source.hpp"
#include "manifests/tool/progress.hpp"
#include "manifests/tool/release_tree.hpp"
#include "tests/fuzz/fuzz.hpp"

using driftd::fuzz::require;
using driftd::manifests::EntryType;
using driftd::manifests::Header;
using driftd::manifests::ManifestBuilder;
using driftd::manifests::read_manifest;
using driftd::manifests::RelPath;
using driftd::manifests::UniqueFd;
using driftd::manifests::write_manifest;
using driftd::manifests::tool::ModePolicy;
using driftd::manifests::tool::open_archive;
using driftd::manifests::tool::OwnerRule;
using driftd::manifests::tool::Progress;
using driftd::manifests::tool::read_archive;
using driftd::manifests::tool::ReleaseEntries;
using driftd::manifests::tool::ReleaseTree;
using driftd::manifests::tool::SourceRules;

namespace {

/// A holder of bytes that is a regular file, as zip wants one, and touches no disk.
UniqueFd memory_file(const std::uint8_t* data, std::size_t size) {
  UniqueFd fd(::memfd_create("archive", MFD_CLOEXEC));
  require(fd && ::write(fd.get(), data, size) == static_cast<ssize_t>(size), "this machine gives us memory");
  return fd;
}

/// What came of an archive can be listed as a release, whatever was in it.
void check(const ReleaseEntries& entries) {
  Header header;
  header.name = "fuzz";
  header.release = "v1";
  ManifestBuilder builder(header);
  for (const auto& [path, entry] : entries) {
    require(path == "." || RelPath::parse(path).has_value(), "no path leads elsewhere");
    const auto added = builder.add(path, entry);
    // What no manifest can say is refused there, in words.
    if (!added) return require(!added.error().message.empty(), "a refusal has a reason");
  }
  const auto manifest = std::move(builder).finish();
  require(manifest.has_value(), "what was taken entry by entry is taken as a whole");
  const std::string text = write_manifest(*manifest);
  const auto read = read_manifest(text);
  require(read.has_value() && write_manifest(read->manifest) == text, "the strict reader takes what was made of it");
}

/// What the options of `build` make of an archive: other code is reached with each.
std::vector<SourceRules> rule_sets() {
  std::vector<SourceRules> sets(4);
  sets[1].mode = ModePolicy::exact;
  sets[1].owner.from = OwnerRule::From::source;
  sets[2].strip_components = 1;
  sets[3].subdir = "d";
  sets[3].mode = ModePolicy::none;
  return sets;
}

void try_rules(const std::string& path, const SourceRules& rules) {
  const auto archive = open_archive(path);
  if (!archive) return;
  ReleaseTree tree(rules);
  Progress progress(Progress::Wanted::no);
  if (const auto read = read_archive(*archive, tree, progress); !read) {
    require(!read.error().message.empty(), "a refusal has a reason");
    require(read.error().message.find('\n') == std::string::npos, "a reason is one line");
    return;
  }
  const auto entries = std::move(tree).finish();
  if (entries) check(*entries);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<SourceRules> kSets = rule_sets();
  const UniqueFd file = memory_file(data, size);
  for (const SourceRules& rules : kSets) try_rules("/proc/self/fd/" + std::to_string(file.get()), rules);
  return 0;
}
