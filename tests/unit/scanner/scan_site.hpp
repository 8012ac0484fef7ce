#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "manifests/rel_path.hpp"
#include "scanner/scan.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/show.hpp"
#include "tests/unit/support/temp_tree.hpp"

namespace driftd::test {

/// A tree on disk, what its release lists, and short ways to scan the one against the other.
struct ScanSite {
  explicit ScanSite(TempTree::Where where = TempTree::Where::disk) : tree(where) {}

  /// Lists what stands on disk now.
  void release() { entries = record(tree.path()); }

  /// Waits until a change has another time than those that were made before. A directory that was changed in the
  /// present tick of the clock is listed twice.
  static void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

  [[nodiscard]] scanner::ScanPlan plan() const {
    scanner::ScanPlan plan;
    plan.manifest = make_release(entries, header);
    plan.root = tree.path();
    plan.exemptions = exemptions;
    plan.report_additions = report_additions;
    return plan;
  }

  [[nodiscard]] scanner::ScanResult scan_whole(unsigned threads = 1) const {
    return must(scanner::scan(plan(), scanner::Scope::whole(), {.threads = threads, .throttle = nullptr}, {}));
  }

  [[nodiscard]] scanner::ScanResult scan_paths(const std::vector<std::string>& paths, unsigned threads = 1) const {
    scanner::Scope scope;
    for (const std::string& path : paths) scope.add(*manifests::RelPath::parse(path));
    return must(scanner::scan(plan(), scope, {.threads = threads, .throttle = nullptr}, {}));
  }

  TempTree tree;
  Entries entries;
  manifests::Header header = header_of();
  scanner::Exemptions exemptions;
  bool report_additions = true;
};

/// A line a finding: `modified a/b`, with ` +3` where it has paths below.
inline std::vector<std::string> lines_of(const scanner::ScanResult& result) {
  std::vector<std::string> lines;
  for (const scanner::Finding& finding : result.findings) {
    std::string line = std::string(to_string(finding.kind)) + " " + finding.path;
    if (finding.below > 0) line += " +" + std::to_string(finding.below);
    lines.push_back(std::move(line));
  }
  for (const scanner::Unverified& one : result.unverified) {
    std::string line = "unverified " + one.path + " " + std::string(to_string(one.reason));
    if (one.below > 0) line += " +" + std::to_string(one.below);
    lines.push_back(std::move(line));
  }
  return lines;
}

inline std::vector<std::string> scope_of(const scanner::ScanResult& result) {
  if (result.scope.is_whole()) return {"."};
  std::vector<std::string> paths;
  for (const manifests::RelPath& path : result.scope.paths()) paths.push_back(path.str());
  return paths;
}

using Lines = std::vector<std::string>;

}  // namespace driftd::test
