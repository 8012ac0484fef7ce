#pragma once

#include "daemon/snapshot.hpp"

namespace driftd::test {

/// Two trees: one with something of everything, hostile where it can be, and one of which nothing is known yet.
inline daemon::Snapshot sample_snapshot() {
  using daemon::UnknownReason;
  using manifests::ErrorCode;
  using scanner::DriftKind;
  using scanner::UnverifiedReason;
  daemon::TreeSnapshot tree;
  tree.name = "myapp";
  tree.labels = {{"team", "web"}, {"note", "a \"quoted\" back\\slash\nand line"}};
  tree.unknown = {UnknownReason::unverified, UnknownReason::overdue};
  tree.manifest = daemon::ManifestInfo{.release = "v103 <b>\"&'",
                                       .content = "blake3:00ff",
                                       .key_ids = {"0000000000000001", "379A90A0379A90A0"},
                                       .overrides = {"skip \"tests\""},
                                       .sequence = 1'763'719'200,
                                       .entries = 12034,
                                       .unchecked_rules = 2,
                                       .created = 1'763'719'200,
                                       .expires = 1'771'495'200,
                                       .expired = true};
  tree.manifest_problem = manifests::Error{ErrorCode::replay, "/srv/secret/path: sequence 5 is lower than 6"};
  tree.drift = {{DriftKind::modified, 3}, {DriftKind::added, 1}};
  tree.unverified = {{UnverifiedReason::permission, 2}, {UnverifiedReason::mount, 0}};
  tree.oldest_open_drift = 1'763'719'999;
  tree.full = {.done = 7, .failed = 1, .last_success = 1'763'720'000, .last_duration = 0.41, .interval = 86400};
  tree.counters = {.manifest_rejections = 4,
                   .hashed_bytes = 181'203'344,
                   .hashed_files = 24'068,
                   .drift_detected = 9,
                   .drift_resolved = 5,
                   .watch_events = 1234,
                   .watch_overflows = 1};
  tree.watching_events = true;

  daemon::TreeSnapshot fresh;
  fresh.name = "fresh";
  fresh.unknown = {UnknownReason::manifest};
  fresh.full.interval = 300;

  daemon::Snapshot snapshot;
  snapshot.trees = {tree, fresh};
  for (const double seconds : {0.004, 0.03, 20.0}) snapshot.detection_latency.observe(seconds);
  snapshot.watch_probe = {.failures = 2, .omissions = 1, .latency = 0.0061};
  snapshot.reload_success_time = 1'763'700'000;
  return snapshot;
}

}  // namespace driftd::test
