#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/report.hpp"
#include "manifests/escape.hpp"
#include "tests/unit/support/edit_facts.hpp"
#include "tests/unit/support/golden.hpp"
#include "tests/unit/support/make_release.hpp"

/// Reports as a check makes them, with every kind of thing in them.
namespace driftd::test {

using daemon::CheckReport;
using daemon::TreeReport;
using scanner::Change;
using scanner::DriftKind;
using scanner::FileType;
using scanner::Finding;
using scanner::Unverified;
using scanner::UnverifiedReason;

inline constexpr std::int64_t kNow = 1'763'805'600;  // 2025-11-22T10:00:00Z
inline const std::string kHostile = "new\nline \x1b[2J \xff\xc0\xaf \xe2\x80\xae txt\\ \x7f \xc2\x9b \xf3\xa0\x81\x81";

inline Finding finding(const std::string& path, DriftKind kind, std::vector<Change> changes = {}) {
  Finding made;
  made.path = path;
  made.kind = kind;
  for (const Change change : changes) made.changes.add(change);
  if (kind != DriftKind::added) edit(made.expected)->type = FileType::file;
  if (kind != DriftKind::missing) {
    edit(made.actual)->type = FileType::file;
    made.changed_at = kNow - 200;
  }
  return made;
}

inline TreeReport tree_of(std::vector<Finding> findings, std::vector<Unverified> unverified = {}) {
  TreeReport tree;
  tree.name = "myapp";
  tree.root = "/srv/myapp";
  tree.seconds = 0.41;
  tree.manifest = make_release({{"a", file_entry("x")}});
  tree.scan.emplace();
  tree.scan->entries = 12034;
  tree.scan->hashed_bytes = 181'203'344;
  tree.scan->findings = std::move(findings);
  tree.scan->unverified = std::move(unverified);
  tree.replay_unchecked = "nothing is remembered";
  return tree;
}

inline std::string json_text(const CheckReport& report) {
  std::string text;
  daemon::json_report(report, [&](std::string_view piece) { text += piece; });
  return text;
}

inline std::string porcelain_text(const CheckReport& report, daemon::RecordEnd end) {
  std::string text;
  daemon::porcelain_report(report, end, [&](std::string_view piece) { text += piece; });
  return text;
}

inline CheckReport report_of(std::vector<TreeReport> trees) { return {"web-3", "", kNow, std::move(trees)}; }

/// Something of everything.
inline CheckReport sample() {
  std::vector<Finding> findings;
  Finding content = finding("config/settings.py", DriftKind::modified, {Change::content, Change::size});
  edit(content.expected)->size = 812;
  edit(content.expected)->blake3 = blake3_of("expected");
  edit(content.actual)->size = 816;
  findings.push_back(content);
  Finding by_sha256 = finding("config/sha256-only", DriftKind::modified, {Change::content});
  edit(by_sha256.expected)->size = edit(by_sha256.actual)->size = 8;
  edit(by_sha256.expected)->sha256 = sha256_of("expected");
  edit(by_sha256.actual)->sha256 = sha256_of("actual..");
  findings.push_back(by_sha256);
  Finding mode = finding("bin/run", DriftKind::metadata, {Change::mode, Change::owner, Change::group});
  edit(mode.expected)->mode = 0755;
  edit(mode.actual)->mode = 04777;
  edit(mode.expected)->owner = "root";
  edit(mode.actual)->owner = "web";
  edit(mode.expected)->group = "0";
  edit(mode.actual)->group = "33";
  findings.push_back(mode);
  Finding bits = finding("bin/walk", DriftKind::metadata, {Change::mode, Change::capability, Change::acl});
  edit(bits.expected)->executable = true;
  edit(bits.actual)->executable = false;
  edit(bits.actual)->mode = 06646;
  edit(bits.actual)->capability = std::string("\1\0\0\2", 4);
  edit(bits.expected)->acl = blake3_of("acl");
  findings.push_back(bits);
  Finding target = finding("current", DriftKind::target, {Change::target});
  edit(target.expected)->type = edit(target.actual)->type = FileType::symlink;
  edit(target.expected)->target = "releases/103";
  edit(target.actual)->target = kHostile;
  findings.push_back(target);
  Finding type = finding("data", DriftKind::type, {Change::type});
  edit(type.expected)->type = FileType::directory;
  edit(type.actual)->type = FileType::fifo;
  type.below = 3;
  findings.push_back(type);
  Finding gone = finding("gone", DriftKind::missing);
  edit(gone.expected)->type = FileType::directory;
  gone.below = 12;
  for (int i = 10; i < 20; ++i) gone.first_below.push_back("gone/" + std::to_string(i) + "\n");
  findings.push_back(gone);
  findings.push_back(finding(kHostile, DriftKind::added));
  findings.push_back(finding("one_gone", DriftKind::missing));

  TreeReport drifted = tree_of(std::move(findings), {{"var/" + kHostile, UnverifiedReason::permission, 13, 0},
                                                     {"var/db", UnverifiedReason::mount, 18, 4}});
  TreeReport clean = tree_of({});
  clean.name = "second";
  clean.partial = true;
  TreeReport refused;
  refused.name = "third";
  refused.root = "/srv/\xff";
  refused.problems = {{"manifest", "signature", "/srv/third.manifest.minisig: no signature"}};
  return report_of({drifted, clean, refused});
}

/// Without what each run signs anew.
inline std::string steady(std::string text) {
  const std::string id = to_string(signing_key().public_key().id);
  text = replaced(std::move(text), id, "KEYIDKEYIDKEYIDK");
  return replaced(std::move(text), id.substr(0, 8), "KEYIDKEY");
}

/// Everything but line ends is printable, and the whole is UTF-8.
inline void check_harmless(const std::string& text) {
  for (std::string_view rest = text; !rest.empty();) {
    const auto point = manifests::decode_utf8(rest);
    REQUIRE(point);
    if (point->value != U'\n') CHECK_FALSE(manifests::is_deceptive(point->value));
    rest.remove_prefix(point->length);
  }
}

inline std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

inline bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace driftd::test
