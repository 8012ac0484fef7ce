#include "scanner/ruling.hpp"

#include <string_view>
#include <utility>

namespace driftd::scanner {

using manifests::EntryIndex;
using manifests::EntryType;
using manifests::kRootEntry;
using manifests::Manifest;

namespace {

Rule rule_for_unlisted(Exemptions::Verdict exempt, bool is_last, bool is_ignored, bool is_mutable) {
  if (exempt == Exemptions::Verdict::manifest && is_last) return Rule::own_manifest;
  if (exempt == Exemptions::Verdict::passage) return Rule::passage;
  if (is_ignored) return Rule::ignored;
  return is_mutable ? Rule::mutable_path : Rule::unlisted;
}

}  // namespace

Ruling ruling_for_root() { return {Rule::listed, ".", kRootEntry, nullptr, {}}; }

Ruling ruling_for(const ScanPlan& plan, const manifests::RelPath& path) {
  const Manifest& manifest = plan.manifest->manifest();
  std::optional<EntryIndex> directory = kRootEntry;
  std::string ignored_directory;
  const std::string& text = path.str();
  for (std::size_t start = 0;;) {
    const std::size_t slash = text.find('/', start);
    const bool is_last = slash == std::string::npos;
    const std::string_view name = std::string_view(text).substr(start, is_last ? slash : slash - start);
    Ruling ruling;
    ruling.at = text.substr(0, slash);
    const Exemptions::Directory* names = plan.exemptions.in(start == 0 ? "." : text.substr(0, start - 1));
    const auto exempt = names != nullptr ? names->judge(name) : Exemptions::Verdict::none;
    ruling.entry = directory ? manifest.find_child(*directory, name) : std::nullopt;
    ruling.mutable_rule = manifest.mutable_rule(ruling.at);
    const bool is_link = ruling.entry && manifest.type(*ruling.entry) == EntryType::symlink;
    if (exempt == Exemptions::Verdict::nested && !is_link) {
      ruling.rule = Rule::nested_tree;
      return ruling;
    }
    if (ruling.entry) {
      ruling.rule = Rule::listed;
      if (is_last || manifest.type(*ruling.entry) != EntryType::directory) return ruling;
      if (manifest.ignore(*ruling.entry)) ignored_directory = ruling.at;
    } else {
      ruling.rule = rule_for_unlisted(exempt, is_last, !ignored_directory.empty(), ruling.mutable_rule != nullptr);
    }
    ruling.ignored_directory = ruling.rule == Rule::ignored ? ignored_directory : "";
    if (is_last || ruling.rule == Rule::unlisted) return ruling;
    directory = ruling.entry;
    start = slash + 1;
  }
}

}  // namespace driftd::scanner
