#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/rel_path.hpp"
#include "scanner/scan.hpp"
#include "tests/unit/scanner/chaos.hpp"
#include "tests/unit/scanner/obvious_look.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/temp_tree.hpp"

/// Random releases of what Chaos has put on disk, and what properties of scans are tested with.
namespace driftd::test {

using Components = std::vector<std::string>;

inline constexpr MutableRule kMutableRules[] = {
    {"**/tmp/**",
     [](const Components& path) {
       for (const std::string& name : path) {
         if (name == "tmp") return true;
       }
       return false;
     }},
    {"c/**", [](const Components& path) { return path.front() == "c"; }},
    // These cover directories and not what is below them.
    {"b", [](const Components& path) { return path.size() == 1 && path.front() == "b"; }},
    {"b/*", [](const Components& path) { return path.size() == 2 && path.front() == "b"; }},
    {"c/*", [](const Components& path) { return path.size() == 2 && path.front() == "c"; }},
    {"**/a", [](const Components& path) { return path.back() == "a"; }},
    {"a/*-*", [](const Components& path) { return path.size() == 2 && path.front() == "a" && path.back() == "a-b"; }},
    {"a/**/\\377",
     [](const Components& path) { return path.size() > 1 && path.front() == "a" && path.back() == "\xff"; }},
};

/// A random part of what the release could say of a path. Of one file in `unknown_odds` it does not say the content.
inline void vary(Chaos& chaos, manifests::Entry& entry, const std::filesystem::path& path, std::size_t unknown_odds) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  if (entry.type == manifests::EntryType::file) {
    if (chaos.one_in(unknown_odds)) {
      entry.size.reset();
      entry.blake3.reset();
      entry.sha256.reset();
    } else {
      if (chaos.one_in(2)) (chaos.one_in(2) ? entry.blake3 : entry.sha256).reset();
      if (chaos.one_in(8)) entry.size.reset();
    }
  }
  if (entry.type != manifests::EntryType::symlink && chaos.one_in(4)) {
    entry.attributes.mode = chaos.one_in(4) ? chaos.pick_mode() : status.st_mode & 07777U;
    entry.executable = false;
  } else if (entry.type == manifests::EntryType::file && chaos.one_in(8)) {
    entry.any_exec = true;
    entry.executable = false;
  }
  if (chaos.one_in(6)) {
    chaos.one_in(2) ? void(entry.attributes.uname = chaos.one_in(6) ? "nobody-known" : kUserName)
                    : void(entry.attributes.uid = chaos.one_in(6) ? chaos.pick_owner() : status.st_uid);
  }
  if (chaos.one_in(6)) {
    chaos.one_in(2) ? void(entry.attributes.gname = chaos.one_in(6) ? "nobody-known" : kGroupName)
                    : void(entry.attributes.gid = chaos.one_in(6) ? chaos.pick_owner() : status.st_gid);
  }
  entry.optional = chaos.one_in(8);
}

/// Records what stands on disk, as a release may list it.
inline Rules make_rules(Chaos& chaos, const TempTree& tree) {
  Rules rules;
  rules.entries = record(tree.path());
  rules.report_additions = !chaos.one_in(5);
  for (const MutableRule& rule : kMutableRules) {
    if (chaos.one_in(4)) rules.mutable_rules.push_back(rule);
  }
  // In some releases half of the contents are unknown, so that whole directories may vanish.
  const std::size_t unknown_odds = chaos.one_in(3) ? 2 : 6;
  if (chaos.one_in(3)) rules.manifest = chaos.one_in(2) ? "b/rel" : "rel";
  if (chaos.one_in(3)) rules.nested = chaos.one_in(2) ? "c" : "a/c";
  std::optional<std::string> ignored;
  for (auto at = rules.entries.begin(); at != rules.entries.end();) {
    auto& [path, entry] = *at;
    if ((ignored && path.starts_with(*ignored + "/")) || chaos.one_in(40)) {
      const std::string below = path + "/";
      at = rules.entries.erase(at);  // with all below: nothing is listed in a directory that is not
      while (at != rules.entries.end() && at->first.starts_with(below)) at = rules.entries.erase(at);
      continue;
    }
    const std::filesystem::path full = tree.at(path);
    if (entry.type == manifests::EntryType::directory && chaos.one_in(8)) {
      entry.ignore = true;
      ignored = path;
    }
    if (entry.type == manifests::EntryType::file) rules.contents[path] = read_whole(full);
    const auto capability = raw_attribute(full, "security.capability");
    if (entry.type == manifests::EntryType::file) entry.attributes.capability = capability;
    if (const auto acl = raw_attribute(full, "system.posix_acl_access")) {
      entry.attributes.acl = blake3_of(*acl);
      rules.acls[path] = *acl;
    }
    vary(chaos, entry, full, unknown_odds);
    ++at;
  }
  return rules;
}

inline scanner::ScanPlan make_plan(const Rules& rules, const TempTree& tree) {
  scanner::ScanPlan plan;
  std::vector<std::string> globs;
  for (const MutableRule& rule : rules.mutable_rules) globs.emplace_back(rule.glob);
  plan.manifest = make_release(rules.entries, with_globs(header_of(), globs));
  plan.root = tree.path();
  plan.report_additions = rules.report_additions;
  plan.accounts = scanner::Accounts::parse("app:x:4001:4001::/:/bin/false\n", "staff:x:4002:\n");
  if (rules.manifest) plan.exemptions.add_manifest(*manifests::RelPath::parse(*rules.manifest));
  if (rules.nested) plan.exemptions.add_nested_tree(*manifests::RelPath::parse(*rules.nested));
  return plan;
}

inline Drift drift_of(const std::vector<scanner::Finding>& findings) {
  Drift drift;
  for (const scanner::Finding& finding : findings) {
    const bool fresh = drift.try_emplace(finding.path, Expected{finding.kind, finding.below}).second;
    CHECK_MESSAGE(fresh, "two findings for " << finding.path);
  }
  return drift;
}

inline unsigned long number_from(const char* variable, unsigned long otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoul(text, nullptr, 10) : otherwise;
}

/// DRIFTD_SEED repeats a failure that was printed, with DRIFTD_CASES=1.
inline void for_each_seed(unsigned long cases_otherwise, void (*run)(unsigned long)) {
  const unsigned long first = number_from("DRIFTD_SEED", std::random_device{}());
  const unsigned long cases = number_from("DRIFTD_CASES", cases_otherwise);
  for (unsigned long seed = first; seed < first + cases; ++seed) {
    CAPTURE(seed);
    run(seed);
  }
}

}  // namespace driftd::test
