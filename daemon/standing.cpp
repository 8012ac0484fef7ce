#include "daemon/standing.hpp"

#include <algorithm>

#include "daemon/tree_loader.hpp"
#include "manifests/escape.hpp"
#include "manifests/signed_file.hpp"
#include "scanner/scan_thread.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;
using manifests::TrustPolicy;
using manifests::VerifiedManifest;
using manifests::minisign::Prehash;

manifests::Scope scope_of(const TreeConfig& tree) { return {tree.manifest_name, tree.require, tree.min_sequence}; }

bool is_known(const VerifiedManifest& manifest, const TreeRecord& record, const TrustPolicy& policy) {
  const auto* highest = record.ratchet.highest(policy);
  return (highest != nullptr && highest->identity == manifest.identity()) ||
         std::any_of(record.kept.begin(), record.kept.end(),
                     [&](const KeptManifest& kept) { return kept.identity == manifest.identity(); });
}

/// All who signed these bytes are known to have.
bool is_vouched_by_all(const VerifiedManifest& manifest, const manifests::Ratchet& ratchet) {
  const auto vouched = ratchet.vouched();
  return std::any_of(vouched.begin(), vouched.end(), [&](const manifests::Vouched& one) {
    return one.identity == manifest.identity() &&
           std::includes(one.keys.begin(), one.keys.end(), manifest.keys().begin(), manifest.keys().end());
  });
}

/// One decision on its way.
class Decision {
 public:
  Decision(const StandingInputs& inputs, const Standing& before, StateStore& store, TrustPolicy policy)
      : inputs_(inputs), before_(before), store_(store), policy_(std::move(policy)) {}

  Standing make(Result<OfferedManifest> offered) {
    read_record();
    standing_.time_floor = floor();
    const std::int64_t now = std::max(inputs_.wall_clock, standing_.time_floor);
    if (offered) {
      const auto judged = judge_offer(*offered->manifest, inputs_.tree, policy_, &record_, now);
      if (judged) {
        take(std::move(*offered), now);
      } else {
        standing_.problem = manifests::with_context(inputs_.tree.manifest, judged.error());
      }
    } else {
      standing_.problem = offered.error();
    }
    if (!standing_.manifest) {
      fall_back();
      write_again(now);
    }
    resume_transition();
    if (standing_.manifest) {
      if (auto trusted = check_still_trusted(*standing_.manifest, policy_); !trusted) {
        standing_.distrust = trusted.error();
      }
    }
    return std::move(standing_);
  }

 private:
  void read_record() {
    if (auto record = store_.read(inputs_.tree.name, inputs_.tree.manifest_name)) {
      record_ = std::move(*record);
    } else {
      standing_.forgetful = record.error();
    }
    stored_ = record_.ratchet;
    standing_.trust_reset = record_.last_reset;
    // What this process has seen of a deploy is the later knowledge: the store may not have been told.
    standing_.transition = before_.manifest ? before_.transition : record_.transition;
    standing_.is_first = before_.manifest ? before_.is_first : stored_.vouched().empty();
    // What this process knows holds even where nothing could be written.
    if (before_.manifest && !was_reset()) record_.ratchet.advance(*before_.manifest);
  }

  [[nodiscard]] bool was_reset() const {
    return record_.last_reset && (!before_.trust_reset || before_.trust_reset->at != record_.last_reset->at);
  }

  std::int64_t floor() {
    std::int64_t floor = inputs_.build_time;
    if (const auto stored = store_.time_floor()) {
      floor = std::max(floor, *stored);
    } else {
      standing_.forgetful = stored.error();
    }
    return std::max(floor, before_.time_floor);
  }

  [[nodiscard]] const Prehash* in_force() const {
    if (before_.manifest) return &before_.manifest->identity();
    return record_.kept.empty() ? nullptr : &record_.kept.front().identity;
  }

  void take(OfferedManifest offered, std::int64_t now) {
    const Prehash* current = in_force();
    const bool is_same = current != nullptr && *current == offered.manifest->identity();
    standing_.manifest = is_same && before_.manifest && before_.manifest->keys() == offered.manifest->keys()
                             ? before_.manifest
                             : offered.manifest;
    const bool is_kept = !record_.kept.empty() && record_.kept.front().identity == offered.manifest->identity();
    if (is_same && is_kept && is_vouched_by_all(*offered.manifest, stored_)) return;
    if (!is_same) open_transition(current, *offered.manifest);
    remember(offered.bytes, *offered.manifest, now);
  }

  void open_transition(const Prehash* current, const VerifiedManifest& next) {
    // The same content under another name goes on with the deploy of the first.
    if (standing_.transition && content_in_force() == next.content()) return;
    standing_.transition.reset();
    if (current != nullptr && inputs_.arrival == Arrival::in_place) {
      standing_.transition = Transition{*current, inputs_.wall_clock};
    }
  }

  std::optional<manifests::ContentId> content_in_force() {
    if (before_.manifest) return before_.manifest->content();
    if (record_.kept.empty()) return std::nullopt;
    const auto kept = load_kept(store_, inputs_.tree, record_.kept.front().identity, policy_, inputs_.manifest_limit);
    return kept ? std::optional((*kept)->content()) : std::nullopt;
  }

  void remember(const manifests::SignedBytes& bytes, const VerifiedManifest& manifest, std::int64_t now) {
    auto accepted = store_.accept(inputs_.tree.name, bytes, manifest, {inputs_.wall_clock, now}, standing_.transition);
    if (!accepted) {
      standing_.forgetful = accepted.error();
      standing_.unwritten = std::make_shared<const manifests::SignedBytes>(bytes);
    }
    standing_.time_floor = std::max(standing_.time_floor, std::min(manifest.header().created, now));
  }

  /// Nothing on disk can be taken, and what is in force is not what the store would have: it could not be written when
  /// it was accepted, or trust was reset since. It goes on guarding against what is older.
  void write_again(std::int64_t now) {
    if (!standing_.manifest) return;
    if (before_.unwritten && standing_.manifest == before_.manifest) {
      remember(*before_.unwritten, *standing_.manifest, now);
      return;
    }
    const bool is_kept = !record_.kept.empty() && record_.kept.front().identity == standing_.manifest->identity();
    if (!stored_.vouched().empty() || !is_kept) return;
    const auto bytes = store_.read_kept(inputs_.tree.name, standing_.manifest->identity(), inputs_.manifest_limit);
    if (bytes) {
      remember(*bytes, *standing_.manifest, now);
    } else {
      standing_.forgetful = bytes.error();
    }
  }

  /// The last good one stays in force.
  void fall_back() {
    if (before_.manifest) {
      // It may be for what the tree was before its configuration changed.
      if (check_scope(before_.manifest->header(), scope_of(inputs_.tree))) standing_.manifest = before_.manifest;
    } else if (!record_.kept.empty()) {
      auto kept = load_kept(store_, inputs_.tree, record_.kept.front().identity, policy_, inputs_.manifest_limit);
      if (kept) {
        standing_.manifest = std::move(*kept);
      } else if (kept.error().code == ErrorCode::revoked) {
        standing_.distrust = kept.error();
      } else if (kept.error().code == ErrorCode::io || kept.error().code == ErrorCode::unreadable) {
        standing_.forgetful = kept.error();
      }
    }
  }

  void resume_transition() {
    if (!standing_.manifest || !standing_.transition) return;
    const Prehash& from = standing_.transition->from;
    for (const ManifestPointer& held : {before_.manifest, before_.previous}) {
      if (held && held->identity() == from && check_still_trusted(*held, policy_)) standing_.previous = held;
    }
    if (!standing_.previous) {
      // Without it, or with keys that count no more, every path has to be the new one at once: the stricter judgement.
      auto kept = load_kept(store_, inputs_.tree, from, policy_, inputs_.manifest_limit);
      if (kept) standing_.previous = std::move(*kept);
    }
  }

  const StandingInputs& inputs_;
  const Standing& before_;
  StateStore& store_;
  TrustPolicy policy_;
  TreeRecord record_;
  manifests::Ratchet stored_;  ///< as it was read; record_ knows more, which may not have been written
  Standing standing_;
};

}  // namespace

Result<OfferedManifest> read_offered(const std::string& path, const TrustPolicy& policy, std::size_t limit,
                                     const manifests::OnRead& on_read) {
  Result<manifests::SignedBytes> bytes{Error{}};
  scanner::in_own_descriptors([&] { bytes = manifests::read_signed_file(path, limit, on_read); });
  if (!bytes) return bytes.error();
  auto verified = VerifiedManifest::verify(*bytes, policy);
  if (!verified) return manifests::with_context(path, verified.error());
  return OfferedManifest{std::move(*bytes), std::make_shared<const VerifiedManifest>(std::move(*verified))};
}

Result<void> judge_offer(const VerifiedManifest& offered, const TreeConfig& tree, const TrustPolicy& policy,
                         const TreeRecord* record, std::int64_t now) {
  const manifests::Header& header = offered.header();
  if (auto scope = check_scope(header, scope_of(tree)); !scope) return scope;
  if (record != nullptr) {
    if (auto sequence = record->ratchet.check(offered, policy); !sequence) return sequence;
  }
  if (auto time = check_creation(header, now); !time) return time;
  if (record != nullptr && is_expired(header, now) && !is_known(offered, *record, policy)) {
    return Error{ErrorCode::expired, "expired before this host first saw it"};
  }
  return {};
}

Result<ManifestPointer> load_kept(const StateStore& store, const TreeConfig& tree, const Prehash& identity,
                                  const TrustPolicy& policy, std::size_t limit) {
  const auto bytes = store.read_kept(tree.name, identity, limit);
  if (!bytes) return bytes.error();
  if (bytes->bytes.hash() != identity) {
    return Error{ErrorCode::io, "the kept manifest of " + tree.name + " is not the one that was accepted"};
  }
  auto verified = VerifiedManifest::verify(*bytes, policy);
  if (!verified) return manifests::with_context("the kept manifest", verified.error());
  if (auto scope = check_scope(verified->header(), scope_of(tree)); !scope) {
    return manifests::with_context("the kept manifest", scope.error());
  }
  return std::make_shared<const VerifiedManifest>(std::move(*verified));
}

Offer look_for_offer(const TrustConfig& trust, const TreeConfig& tree, std::size_t manifest_limit,
                     const manifests::OnRead& on_read) {
  auto policy = load_policy(trust, tree);
  if (!policy) return {policy.error(), policy.error()};
  auto manifest = read_offered(tree.manifest, *policy, manifest_limit, on_read);
  return {std::move(policy), std::move(manifest)};
}

Standing decide(const StandingInputs& inputs, Offer offer, const Standing& before, StateStore& store) {
  if (!offer.policy) {
    // Which keys count is not known, so nothing that they signed can be relied on.
    Standing standing = before;
    standing.problem = offer.policy.error();
    standing.distrust = offer.policy.error();
    return standing;
  }
  return Decision(inputs, before, store, std::move(*offer.policy)).make(std::move(offer.manifest));
}

}  // namespace driftd::daemon
