#include "daemon/check.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>

#include <fmt/format.h>

#include "daemon/clock.hpp"
#include "daemon/exact_release.hpp"
#include "daemon/history_store.hpp"
#include "daemon/inquiries.hpp"
#include "daemon/ongoing_look.hpp"
#include "daemon/path_arguments.hpp"
#include "daemon/path_problems.hpp"
#include "daemon/patience.hpp"
#include "daemon/standing.hpp"
#include "daemon/tree_loader.hpp"
#include "manifests/escape.hpp"
#include "manifests/exit_code.hpp"
#include "manifests/version.hpp"
#include "scanner/compare.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::RelPath;
using manifests::Result;

Error usage(std::string message) { return {ErrorCode::usage, std::move(message)}; }

Result<std::vector<const TreeConfig*>> chosen_trees(const Config& config, const std::vector<std::string>& names) {
  std::vector<const TreeConfig*> chosen;
  for (const TreeConfig& tree : config.trees) {
    if (names.empty() || std::find(names.begin(), names.end(), tree.name) != names.end()) chosen.push_back(&tree);
  }
  for (const std::string& name : names) {
    if (std::none_of(chosen.begin(), chosen.end(), [&](const auto* tree) { return tree->name == name; })) {
      std::string known;
      for (const TreeConfig& tree : config.trees) known.append(known.empty() ? "" : ", ").append(tree.name);
      return usage("no tree '" + manifests::escape(name) + "' in the configuration, which has: " + known);
    }
  }
  return chosen;
}

Problem problem(std::string what, const Error& error) {
  return {std::move(what), std::string(to_string(error.code)), error.message};
}

/// What stands in the way of asking anything; all empty: nothing.
struct Reachability {
  std::map<std::string, Error> trees;  ///< by name; those that are not to be touched
  std::optional<Error> trust;
  std::optional<Error> state;
};

/// What the daemon remembers of a tree, where it can be read.
struct Memory {
  std::optional<StateStore> store;
  std::optional<TreeRecord> record;
  std::string why_not;
  std::optional<Error> broken;  ///< it is there, and yet nobody can rely on it
};

Memory read_memory(const Config& config, const TreeConfig& tree, const CheckOptions& options,
                   const Reachability& reached) {
  if (options.trust) return {{}, {}, "no configuration says where the daemon's state is", {}};
  if (reached.state) return {{}, {}, reached.state->message, reached.state};
  // To do without a state that is out of reach is one thing, to overlook one that is damaged another.
  const auto without = [&](const Error& error) {
    const bool is_damaged = !StateStore::is_absent_or_hidden(config.state_directory);
    return Memory{{}, {}, error.message, is_damaged ? std::optional(error) : std::nullopt};
  };
  auto store = StateStore::open_for_reading(config.state_directory);
  if (!store) return without(store.error());
  auto record = store->read(tree.name, tree.manifest_name);
  if (!record) return without(record.error());
  const bool is_new = record->ratchet.vouched().empty();
  const char* why_not = is_new ? "the daemon has not accepted a release of it yet" : "";
  return {std::move(*store), std::move(*record), why_not, {}};
}

/// The manifest on disk where it may be taken. Otherwise that is a problem, and the last good one, as far as it is
/// remembered, is what the tree is compared with: drift from that is drift whatever lies there now.
void accept_manifest(const Config& config, const TreeConfig& tree, const manifests::TrustPolicy& policy, Memory& memory,
                     const manifests::OnRead& on_read, TreeReport& report) {
  const std::size_t limit = config.limits.manifest_size;
  auto offered = read_offered(tree.manifest, policy, limit, on_read);
  const TreeRecord* record = memory.record ? &*memory.record : nullptr;
  auto judged = offered ? judge_offer(*offered->manifest, tree, policy, record, report.trusted_now)
                        : Result<void>(offered.error());
  if (judged) {
    report.manifest = offered->manifest;
    return;
  }
  report.problems.push_back(
      problem("manifest", offered ? manifests::with_context(tree.manifest, judged.error()) : judged.error()));
  if (record == nullptr || record->kept.empty()) return;
  if (auto kept = load_kept(*memory.store, tree, record->kept.front().identity, policy, limit)) report.manifest = *kept;
}

std::int64_t trusted_time(std::int64_t wall_clock, Memory& memory) {
  std::int64_t floor = manifests::kRevisionTime;
  if (memory.store) {
    if (const auto stored = memory.store->time_floor()) floor = std::max(floor, *stored);
  }
  return std::max(wall_clock, floor);
}

/// The release that a deploy in place comes from, while the daemon has not seen its end.
ManifestPointer release_before(const Config& config, const TreeConfig& tree, const manifests::TrustPolicy& policy,
                               const Memory& memory, const TreeReport& report) {
  if (!memory.record || !memory.record->transition || memory.record->kept.empty()) return nullptr;
  if (memory.record->kept.front().identity != report.manifest->identity()) return nullptr;
  auto kept = load_kept(*memory.store, tree, memory.record->transition->from, policy, config.limits.manifest_size);
  return kept ? *kept : nullptr;
}

/// Rolled back by hand, a tree is one finding.
void name_exact_release(const KeptReleases& kept, const scanner::ScanPlan& plan, const scanner::ScanOptions& options,
                        TreeReport& report) {
  scanner::ScanResult& scan = *report.scan;
  const bool is_excused = !report.deploying_from.empty() && !scan.pending.empty();
  if (report.partial || is_excused || scan.findings.empty() || !scan.unverified.empty()) return;
  scanner::Scope differing;
  for (const scanner::Finding& finding : scan.findings) {
    if (is_in_no_release(finding)) return;
    const auto path = RelPath::parse(finding.path);
    path ? differing.add(*path) : differing.add_whole();
  }
  const auto release = find_exact_release(kept, plan, differing, options, {});
  if (release) scan.findings = {scanner::other_release(plan.manifest->header().release, *release)};
}

/// The time that a deploy has is over, or nothing is excused at all: what is pending is drift.
void count_pending_as_drift(scanner::ScanResult& scan) {
  std::move(scan.pending.begin(), scan.pending.end(), std::back_inserter(scan.findings));
  scan.pending.clear();
  std::sort(scan.findings.begin(), scan.findings.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
}

/// What somebody who asks strictly does not call clean.
void add_strict_problems(TreeReport& report) {
  const manifests::Header& header = report.manifest->header();
  const auto add = [&](const char* reason, std::string message) {
    report.problems.push_back({"strict", reason, std::move(message)});
  };
  if (is_expired(header, report.trusted_now)) add("expired", "the manifest has expired");
  if (!header.overrides.empty()) add("override", "checks were skipped for this release (see `driftd-manifest show`)");
  if (!report.replay_unchecked.empty()) add("replay", "replay was not checked: " + report.replay_unchecked);
}

/// What a check of one tree needs; its own copy, since it may have to be left behind.
struct TreeCheck {
  Config config;
  TreeConfig tree;
  TreePlaces places;
  Reachability reached;
  AskedPaths asked;
  CheckOptions options;
  std::int64_t now;
};

TreeReport begin_report(const TreeCheck& check) {
  TreeReport report;
  report.name = check.tree.name;
  report.root = check.tree.root;
  report.manifest_file = check.tree.manifest;
  report.asked = check.asked.scope;
  report.named = check.asked.named;
  report.partial = !report.asked.is_whole();
  report.trusted_now = check.now;
  return report;
}

/// What the daemon knows of who made these, by their paths. What was changed since then is not theirs.
std::map<std::string, scanner::PathEvidence> evidence_of(const std::vector<scanner::Finding>& findings,
                                                         StateStore& store, const std::string& tree) {
  const auto known = HistoryStore(store).evidence(tree);
  std::map<std::string, scanner::PathEvidence> evidence;
  if (!known) return evidence;
  for (const scanner::Finding& finding : findings) {
    const auto at = known->find(finding.path);
    if (at != known->end() && is_of(at->second, finding)) evidence.insert(*at);
  }
  return evidence;
}

TreeReport check_tree(const TreeCheck& check, OngoingLook& look,
                      const std::shared_ptr<scanner::ScanProgress>& progress) {
  const auto& [config, tree, places, reached, asked, options, now] = check;
  const scanner::Scope& scope = asked.scope;
  TreeReport report = begin_report(check);
  const auto start = std::chrono::steady_clock::now();

  look.ask(fmt::format("{}", fmt::join(config.trust.directories, ", ")));
  const auto policy = options.trust   ? Result<manifests::TrustPolicy>(*options.trust)
                      : reached.trust ? Result<manifests::TrustPolicy>(*reached.trust)
                                      : load_policy(config.trust, tree);
  if (!policy) {
    report.problems.push_back(problem("trust", policy.error()));
    return report;
  }
  look.ask(config.state_directory);
  Memory memory = read_memory(config, tree, options, reached);
  report.replay_unchecked = memory.why_not;
  if (memory.broken) report.problems.push_back(problem("state", *memory.broken));
  if (memory.record) report.trust_reset = memory.record->last_reset;
  report.trusted_now = trusted_time(now, memory);
  report.clock_suspect = now < report.trusted_now;
  look.ask(tree.manifest);
  accept_manifest(config, tree, *policy, memory, scanner::steps_of(progress), report);
  if (!report.manifest) return report;
  look.ask(config.state_directory);
  const ManifestPointer previous = release_before(config, tree, *policy, memory, report);
  const auto plan = make_plan(places, tree, report.manifest, previous);
  if (!plan) {
    report.problems.push_back(problem("scan", plan.error()));
    return report;
  }
  scanner::ScanOptions scan_options;
  scan_options.threads = options.threads > 0 ? options.threads : config.limits.threads;
  scan_options.progress = progress;
  report.plan = *plan;
  look.know(report);
  look.ask(tree.root);
  if (options.progress == ShowProgress::yes) look.show(**plan, scope, progress);
  auto result = scanner::scan_unwatched(**plan, scope, scan_options, {});
  look.hide();
  if (result) {
    report.scan = std::move(*result);
    const bool is_in_time = previous && now < memory.record->transition->since + tree.deploy_window.count();
    if (is_in_time && !options.strict) {
      report.deploying_from = previous->header().release;
    } else {
      count_pending_as_drift(*report.scan);
    }
    refuse_unknown_paths(**plan, report);
    refuse_detours(asked.detours, places, report);
    look.ask(config.state_directory);
    if (memory.store && !report.scan->findings.empty()) {
      report.evidence = evidence_of(report.scan->findings, *memory.store, tree.name);
    }
    if (memory.store && scope.paths().size() == 1) {
      auto known = TouchStore(*memory.store).read(tree.name, scope.paths().begin()->str());
      if (known) report.touch = std::move(*known);
      if (!known) report.touch_problem = known.error().message;
    }
    if (memory.record) {
      name_exact_release({*memory.store, tree, *policy, config.limits.manifest_size}, **plan, scan_options, report);
    }
    if (options.strict) add_strict_problems(report);
  } else {
    report.problems.push_back(problem("scan", result.error()));
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

/// Where the trees are, and what does not answer. A tree that does not is where the configuration has it: trees next to
/// it need not wait for long.
TreePlaces find_places(const Config& config, const std::vector<const TreeConfig*>& chosen, const CheckOptions& options,
                       Reachability& reached) {
  constexpr std::chrono::milliseconds kPatienceWithOthers{5000};
  TreePlaces places;
  for (const TreeConfig& tree : config.trees) places.emplace(tree.name, written_place(tree));
  if (options.unreachable) {
    for (const TreeConfig& tree : config.trees) reached.trees.emplace(tree.name, *options.unreachable);
    return places;
  }
  std::vector<Inquiry> inquiries;
  for (const TreeConfig& tree : config.trees) {
    const bool is_chosen = std::find(chosen.begin(), chosen.end(), &tree) != chosen.end();
    inquiries.push_back(
        inquire_place(tree, is_chosen ? options.patience : std::min(options.patience, kPatienceWithOthers)));
  }
  if (!options.trust) {
    inquiries.push_back(inquire_trust(config.trust, options.patience));
    inquiries.push_back(inquire_state(config.state_directory, options.patience));
  }
  const auto answers = ask_apart(inquiries);
  for (std::size_t i = 0; i < config.trees.size(); ++i) {
    const std::string& name = config.trees[i].name;
    if (auto place = place_told(answers[i])) {
      places.at(name) = std::move(*place);
    } else {
      reached.trees.emplace(name, place.error());
    }
  }
  if (options.trust) return places;
  const auto error_of = [](const auto& answer) { return answer ? std::nullopt : std::optional(answer.error()); };
  reached.trust = error_of(answers[config.trees.size()]);
  reached.state = error_of(answers.back());
  return places;
}

/// What the paths ask of each tree. Where the file system on the way to one does not answer, they are taken as they are
/// written; `stalled` where that leads to no tree.
Result<std::vector<AskedPaths>> find_asked(const std::vector<const TreeConfig*>& trees, const TreePlaces& places,
                                           const CheckOptions& options) {
  std::vector<TreePlace> roots;
  for (const TreeConfig* tree : trees) roots.push_back(places.at(tree->name));
  if (options.paths.empty()) return asked_paths(roots, {});
  auto told = paths_told(ask_apart(inquire_paths(roots, options.paths, options.patience)), trees.size());
  if (told || told.error().code != ErrorCode::stalled) return told;
  std::vector<TreePlace> written;
  for (const TreeConfig* tree : trees) written.push_back(written_place(*tree));
  for (const auto* as_written : {&written, &roots}) {
    if (auto asked = asked_paths(*as_written, options.paths, Links::unknown)) return asked;
  }
  return told;
}

/// One tree, or what is known of it where its file system does not answer.
TreeReport check_with_patience(TreeCheck check, bool& has_left_work) {
  const auto shared = std::make_shared<const TreeCheck>(std::move(check));
  const auto look = std::make_shared<OngoingLook>(begin_report(*shared));
  const auto patience = shared->options.patience;
  if (const auto why = shared->reached.trees.find(shared->tree.name); why != shared->reached.trees.end()) {
    TreeReport report = begin_report(*shared);
    report.problems.push_back(problem("scan", why->second));
    return report;
  }
  auto done =
      do_with_patience([shared, look](const auto& progress) { return check_tree(*shared, *look, progress); }, patience);
  has_left_work = has_left_work || !done;
  return done ? std::move(*done) : look->give_up(patience);
}

}  // namespace

int exit_code(Verdict verdict) {
  switch (verdict) {
    case Verdict::clean: return manifests::kExitClean;
    case Verdict::drift: return manifests::kExitDrift;
    case Verdict::unknown: break;
  }
  return manifests::kExitUnknown;
}

Verdict TreeReport::verdict() const {
  const bool has_drift = scan && !scan->findings.empty();
  const bool is_established = scan && scan->unverified.empty() && scan->pending.empty() && problems.empty();
  return judge(has_drift, is_established);
}

Verdict CheckReport::verdict() const {
  Verdict all = trees.empty() ? Verdict::unknown : Verdict::clean;
  for (const TreeReport& tree : trees) all = worse(all, tree.verdict());
  return all;
}

Result<CheckReport> check(const Config& config, const CheckOptions& options, const std::string& host) {
  const auto trees = chosen_trees(config, options.trees);
  if (!trees) return trees.error();
  CheckReport report;
  report.host = host;
  Reachability reached;
  const TreePlaces places = find_places(config, *trees, options, reached);
  const auto asked = find_asked(*trees, places, options);
  if (!asked && asked.error().code != ErrorCode::stalled) return asked.error();
  report.checked_at = wall_clock();
  for (std::size_t i = 0; i < trees->size(); ++i) {
    TreeCheck check{config,  *(*trees)[i],     places, reached, {scanner::Scope::whole(), {}, {}},
                    options, report.checked_at};
    if (!asked) {
      report.trees.push_back(begin_report(check));
      report.trees.back().problems.push_back(problem(std::string(kPathProblem), asked.error()));
    } else if (const AskedPaths& of_tree = (*asked)[i]; !of_tree.empty()) {
      check.asked = of_tree;
      if (of_tree.scope.empty()) {  // there is nothing to look at
        report.trees.push_back(begin_report(check));
        refuse_detours(of_tree.detours, places, report.trees.back());
        continue;
      }
      report.trees.push_back(check_with_patience(std::move(check), report.has_left_work));
    }
  }
  drop_wrong_guesses(report.trees);
  return report;
}

}  // namespace driftd::daemon
