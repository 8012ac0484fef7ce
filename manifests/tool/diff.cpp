#include <cstdio>

#include "manifests/escape.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/describe.hpp"
#include "manifests/tool/difference.hpp"
#include "manifests/tool/inputs.hpp"
#include "manifests/tool/manifest_json.hpp"

namespace driftd::manifests::tool {
namespace {

const char* word(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::added: return "added";
    case DifferenceKind::removed: return "removed";
    case DifferenceKind::changed: return "changed";
  }
  return "";
}

/// What an entry that only one manifest lists is: enough to recognise it.
std::string summary(const Entry& entry) {
  std::string text(type_word(entry.type));
  if (entry.size) text += ", size " + size_text(entry);
  if (entry.attributes.link) text += " -> " + escape(*entry.attributes.link);
  return text;
}

std::string changes_text(const std::vector<Change>& changes) {
  std::string text;
  for (const Change& change : changes) {
    if (!text.empty()) text += ", ";
    text.append(change.what).append(" ").append(change.before).append(" -> ").append(change.after);
  }
  return text;
}

class Report {
 public:
  Report(const ReadManifest& before, const ReadManifest& after) : before_(before), after_(after) {}

  void print_table() const {
    print_side("old", before_);
    print_side("new", after_);
    std::printf("signatures not looked at (driftd-manifest verify does)\n");
    if (before_.content == after_.content) {
      std::printf("same content\n");
      return;
    }
    const RuleDifferences rules = compare_rules(before_.manifest.header(), after_.manifest.header());
    for (const auto& rule : rules.removed) std::printf("removed  #mutable: %s\n", rule.c_str());
    for (const auto& rule : rules.added) std::printf("added    #mutable: %s\n", rule.c_str());
    if (rules.reordered) std::printf("changed  the #mutable rules stand in another order\n");
    std::size_t counts[3] = {};
    for_each_difference(before_.manifest, after_.manifest, [&](const Difference& found) {
      ++counts[static_cast<std::size_t>(found.kind)];
      std::printf("%-7s  %s  %s\n", word(found.kind), escape(found.path).c_str(), what(found).c_str());
    });
    std::printf("content differs: %zu added, %zu removed, %zu changed\n", counts[0], counts[1], counts[2]);
  }

  void print_json() const {
    const RuleDifferences rules = compare_rules(before_.manifest.header(), after_.manifest.header());
    std::printf("{\"version\":1,\"signature_checked\":false,\"same\":%s,\n\"old\":%s,\n\"new\":%s,\n",
                before_.content == after_.content ? "true" : "false", header_json(before_).c_str(),
                header_json(after_).c_str());
    std::printf("\"mutable\":%s,\"differences\":[", rules_json(rules).c_str());
    const char* separator = "\n";
    for_each_difference(before_.manifest, after_.manifest, [&](const Difference& found) {
      const bool has_old = found.kind != DifferenceKind::added;
      const bool has_new = found.kind != DifferenceKind::removed;
      std::printf("%s{\"kind\":\"%s\",\"changes\":%s,\"old\":%s,\"new\":%s}", separator, word(found.kind),
                  changes_json(found).c_str(), has_old ? side(before_, found.path, found.before).c_str() : "null",
                  has_new ? side(after_, found.path, found.after).c_str() : "null");
      separator = ",\n";
    });
    std::printf("\n]}\n");
  }

 private:
  static void print_side(const char* which, const ReadManifest& read) {
    const Header& header = read.manifest.header();
    std::printf("%s  %s %s, sequence %llu, %u entries, content blake3:%s\n", which, header.name.c_str(),
                header.release.c_str(), static_cast<unsigned long long>(header.sequence), read.manifest.size(),
                to_hex(read.content).c_str());
  }

  static std::string side(const ReadManifest& read, const std::string& path, EntryIndex entry) {
    return entry_json(path, read.manifest.entry(entry));
  }

  [[nodiscard]] std::vector<Change> changes(const Difference& found) const {
    return changes_between(before_.manifest.entry(found.before), after_.manifest.entry(found.after));
  }

  [[nodiscard]] std::string what(const Difference& found) const {
    switch (found.kind) {
      case DifferenceKind::added: return summary(after_.manifest.entry(found.after));
      case DifferenceKind::removed: return summary(before_.manifest.entry(found.before));
      case DifferenceKind::changed: return changes_text(changes(found));
    }
    return {};
  }

  [[nodiscard]] std::string changes_json(const Difference& found) const {
    std::vector<std::string> names;
    if (found.kind == DifferenceKind::changed) {
      for (const Change& change : changes(found)) names.emplace_back(change.what);
    }
    return list_json(names);
  }

  static std::string rules_json(const RuleDifferences& rules) {
    return "{\"added\":" + list_json(rules.added) + ",\"removed\":" + list_json(rules.removed) +
           ",\"reordered\":" + (rules.reordered ? "true" : "false") + "}";
  }

  const ReadManifest& before_;
  const ReadManifest& after_;
};

}  // namespace

Result<Comparison> diff(const DiffOptions& options) {
  const auto old = load_unverified(options.before);
  if (!old) return old.error();
  const auto fresh = load_unverified(options.after);
  if (!fresh) return fresh.error();
  const Report report(*old, *fresh);
  if (options.format == Format::json) {
    report.print_json();
  } else {
    report.print_table();
  }
  return old->content == fresh->content ? Comparison::same : Comparison::differs;
}

}  // namespace driftd::manifests::tool
