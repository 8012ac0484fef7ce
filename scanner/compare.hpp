#pragma once

#include <cstdint>
#include <optional>

#include "manifests/manifest.hpp"
#include "scanner/accounts.hpp"
#include "scanner/finding.hpp"
#include "scanner/observed.hpp"

/// The judgement on single paths: pure functions, no system calls.
namespace driftd::scanner {

FileType file_type(manifests::EntryType type);

/// What the manifest says of an entry, as the `expected` side of a finding.
Facts expected_facts(const manifests::Manifest& manifest, manifests::EntryIndex entry);

/// Nothing where `observed` is what the manifest says of `entry`. The finding's path is left empty; the caller knows
/// it. Where the entry has a digest and its size is right, `observed` must have the digest that decides: BLAKE3 if
/// there is one.
///
/// Without a recorded mode an entry must agree in owner-execute (files that are not `any_exec`) and be neither setuid,
/// setgid nor world-writable. A capability or an ACL that is not recorded must not be there.
std::optional<Finding> compare(const manifests::Manifest& manifest, manifests::EntryIndex entry,
                               const Observed& observed, const Accounts& accounts);

/// For a path that a mutable rule covers and no entry lists: anything may be there but a way to more privilege. A
/// setuid or setgid file, a capability and a device are findings of kind `added`.
std::optional<Finding> judge_mutable(const Observed& observed);

/// Whether what stands under the name of the tree's own manifest, or of a signature of it, can pass as one, so that it
/// is no addition: a link, or a file that nobody can run and its owner alone can write.
bool can_be_own_manifest(const Observed& observed);

/// The finding for a path that nothing in the manifest allows.
Finding added(const Observed& observed);

/// The one finding for a tree that is another release as a whole; `path` is the root.
Finding other_release(const std::string& expected, const std::string& actual);

/// The finding for an entry that should be there and is not; `below` is set for a directory.
Finding missing(const manifests::Manifest& manifest, manifests::EntryIndex entry);

}  // namespace driftd::scanner
