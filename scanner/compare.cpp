#include "scanner/compare.hpp"

#include <sys/stat.h>

#include <cstdlib>

namespace driftd::scanner {
namespace {

using manifests::Attributes;
using manifests::Digest;
using manifests::EntryIndex;
using manifests::EntryType;
using manifests::Manifest;

constexpr std::uint32_t kPrivilege = S_ISUID | S_ISGID;

bool mode_agrees(const Manifest& manifest, EntryIndex entry, const Observed& observed) {
  if (observed.type == FileType::symlink) return true;  // Linux has no modes on links
  const Attributes& attributes = manifest.attributes(entry);
  if (attributes.mode) return observed.mode == *attributes.mode;
  if ((observed.mode & (kPrivilege | S_IWOTH)) != 0) return false;
  if (observed.type != FileType::file || manifest.any_exec(entry)) return true;
  return ((observed.mode & S_IXUSR) != 0) == manifest.executable(entry);
}

bool owner_agrees(const Attributes& attributes, const Observed& observed, const Accounts& accounts) {
  // A name that this host does not know cannot be anybody's.
  if (attributes.uname) return accounts.uid(*attributes.uname) == observed.uid;
  return !attributes.uid || *attributes.uid == observed.uid;
}

bool group_agrees(const Attributes& attributes, const Observed& observed, const Accounts& accounts) {
  if (attributes.gname) return accounts.gid(*attributes.gname) == observed.gid;
  return !attributes.gid || *attributes.gid == observed.gid;
}

/// BLAKE3 decides where the manifest has it, else SHA-256.
void compare_content(const Manifest& manifest, EntryIndex entry, const Observed& observed, Changes& changes) {
  const auto size = manifest.size_of(entry);
  const bool by_blake3 = manifest.blake3(entry) != nullptr;
  const Digest* expected = by_blake3 ? manifest.blake3(entry) : manifest.sha256(entry);
  if (size && *size != observed.size) {
    changes.add(Change::size);
    if (expected != nullptr) changes.add(Change::content);
  } else if (expected != nullptr && (by_blake3 ? observed.blake3 : observed.sha256) != *expected) {
    changes.add(Change::content);
  }
}

DriftKind kind_of(const Changes& changes) {
  if (changes.has(Change::type)) return DriftKind::type;
  if (changes.has(Change::target)) return DriftKind::target;
  if (changes.has(Change::content) || changes.has(Change::size)) return DriftKind::modified;
  return DriftKind::metadata;
}

Facts observed_facts(const Observed& observed) {
  Facts facts;
  facts.type = observed.type;
  if (observed.type == FileType::file) facts.size = observed.size;
  if (observed.type == FileType::symlink) {
    facts.target = observed.target;
  } else {
    facts.mode = observed.mode;
  }
  facts.owner = std::to_string(observed.uid);
  facts.group = std::to_string(observed.gid);
  facts.blake3 = observed.blake3;
  facts.sha256 = observed.sha256;
  facts.capability = observed.capability;
  facts.acl = observed.acl;
  return facts;
}

Facts facts_of_release(const std::string& release) {
  Facts facts;
  facts.release = release;
  return facts;
}

/// The actual side: owners by name where the manifest names them.
Facts actual_facts(const Manifest& manifest, EntryIndex entry, const Observed& observed, const Accounts& accounts) {
  Facts facts = observed_facts(observed);
  const Attributes& attributes = manifest.attributes(entry);
  if (attributes.uname) facts.owner = accounts.user(observed.uid).value_or(*facts.owner);
  if (attributes.gname) facts.group = accounts.group(observed.gid).value_or(*facts.group);
  if (observed.type == FileType::file && !attributes.mode && !manifest.any_exec(entry)) {
    facts.executable = (observed.mode & S_IXUSR) != 0;
  }
  return facts;
}

}  // namespace

FileType file_type(EntryType type) {
  switch (type) {
    case EntryType::file: return FileType::file;
    case EntryType::directory: return FileType::directory;
    case EntryType::symlink: return FileType::symlink;
  }
  std::abort();
}

Facts expected_facts(const Manifest& manifest, EntryIndex entry) {
  const Attributes& attributes = manifest.attributes(entry);
  Facts facts;
  facts.type = file_type(manifest.type(entry));
  facts.size = manifest.size_of(entry);
  if (const Digest* digest = manifest.blake3(entry)) facts.blake3 = *digest;
  if (const Digest* digest = manifest.sha256(entry)) facts.sha256 = *digest;
  facts.mode = attributes.mode;
  if (facts.type == FileType::file && !attributes.mode && !manifest.any_exec(entry)) {
    facts.executable = manifest.executable(entry);
  }
  facts.owner = attributes.uname;
  if (attributes.uid) facts.owner = std::to_string(*attributes.uid);
  facts.group = attributes.gname;
  if (attributes.gid) facts.group = std::to_string(*attributes.gid);
  facts.target = attributes.link;
  facts.capability = attributes.capability;
  facts.acl = attributes.acl;
  return facts;
}

std::optional<Finding> compare(const Manifest& manifest, EntryIndex entry, const Observed& observed,
                               const Accounts& accounts) {
  const Attributes& attributes = manifest.attributes(entry);
  Changes changes;
  if (observed.type != file_type(manifest.type(entry))) {
    changes.add(Change::type);
  } else {
    if (observed.type == FileType::file) compare_content(manifest, entry, observed, changes);
    if (attributes.link && *attributes.link != observed.target) changes.add(Change::target);
    if (!mode_agrees(manifest, entry, observed)) changes.add(Change::mode);
    if (!owner_agrees(attributes, observed, accounts)) changes.add(Change::owner);
    if (!group_agrees(attributes, observed, accounts)) changes.add(Change::group);
    if (attributes.capability != observed.capability) changes.add(Change::capability);
    if (attributes.acl != observed.acl) changes.add(Change::acl);
  }
  if (changes.empty()) return std::nullopt;
  Finding finding;
  finding.kind = kind_of(changes);
  finding.changes = changes;
  finding.expected = expected_facts(manifest, entry);
  finding.actual = actual_facts(manifest, entry, observed, accounts);
  finding.file = observed.file;
  finding.changed_at = observed.changed_at;
  finding.changed_nanoseconds = observed.changed_nanoseconds;
  finding.names_changed_last = observed.names_changed_last;
  return finding;
}

std::optional<Finding> judge_mutable(const Observed& observed) {
  Changes changes;
  if (observed.type == FileType::character_device || observed.type == FileType::block_device) {
    changes.add(Change::type);
  }
  // A setgid directory hands on its group, which is no privilege, and is common for caches and spools.
  if (observed.type == FileType::file && (observed.mode & kPrivilege) != 0) changes.add(Change::mode);
  if (observed.capability) changes.add(Change::capability);
  if (changes.empty()) return std::nullopt;
  Finding finding = added(observed);
  finding.changes = changes;
  return finding;
}

bool can_be_own_manifest(const Observed& observed) {
  if (observed.type == FileType::symlink) return true;
  constexpr std::uint32_t kUnfit = kPrivilege | S_IXUSR | S_IXGRP | S_IXOTH | S_IWOTH;
  return observed.type == FileType::file && (observed.mode & kUnfit) == 0 && !observed.capability;
}

Finding added(const Observed& observed) {
  Finding finding;
  finding.kind = DriftKind::added;
  finding.actual = observed_facts(observed);
  finding.file = observed.file;
  finding.changed_at = observed.changed_at;
  finding.changed_nanoseconds = observed.changed_nanoseconds;
  finding.names_changed_last = observed.names_changed_last;
  return finding;
}

Finding other_release(const std::string& expected, const std::string& actual) {
  Finding finding;
  finding.path = ".";
  finding.kind = DriftKind::modified;
  finding.changes.add(Change::release);
  finding.expected = facts_of_release(expected);
  finding.actual = facts_of_release(actual);
  return finding;
}

Finding missing(const Manifest& manifest, EntryIndex entry) {
  Finding finding;
  finding.kind = DriftKind::missing;
  finding.expected = expected_facts(manifest, entry);
  const EntryIndex end = manifest.subtree_end(entry);
  finding.below = end - entry - 1;
  for (EntryIndex at = entry + 1; at < end && finding.first_below.size() < Finding::kFirstBelow; ++at) {
    finding.first_below.push_back(manifest.path(at));
  }
  return finding;
}

}  // namespace driftd::scanner
