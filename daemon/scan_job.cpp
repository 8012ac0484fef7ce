#include "daemon/scan_job.hpp"

#include <exception>

#include "daemon/tree_loader.hpp"
#include "scanner/left_as_listed.hpp"
#include "scanner/plan_accounts.hpp"

namespace driftd::daemon {
namespace {

using manifests::Result;

/// Stops when either does.
class EitherStop {
 public:
  EitherStop(const std::stop_token& one, const std::stop_token& other)
      : when_one_(one, Request{stop_}), when_other_(other, Request{stop_}) {}

  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

 private:
  struct Request {
    std::stop_source& stop;
    void operator()() const { stop.request_stop(); }
  };
  std::stop_source stop_;
  std::stop_callback<Request> when_one_;
  std::stop_callback<Request> when_other_;
};

Result<scanner::ScanResult> scan(const ScanJob& job, Scanned& scanned, const WorkContext& context) {
  if (job.given_up.stop_requested()) return manifests::Error{manifests::ErrorCode::io, "the scan is not wanted"};
  const EitherStop stop(context.stop, job.given_up);
  auto plan = job.plan ? scanner::with_current_accounts(job.plan)
                       : make_plan(*job.places, job.tree, job.manifest, job.previous);
  if (!plan) return plan.error();
  scanned.plan = std::move(*plan);
  scanner::ScanOptions options;
  options.threads = job.config->limits.threads;
  options.priority = scanner::Priority::background;
  options.cache = job.cache;
  // Where neither times nor events tell of a change, there is nothing but the content to go by.
  options.quick = job.depth == Depth::quick && !(job.is_polled && scanner::hides_mapped_stores(job.tree.root));
  options.progress = context.progress;
  options.throttle = job.throttle;
  options.root = job.root;
  return scanner::scan(*scanned.plan, scanner::Scope::whole(), options, stop.token());
}

/// What could not be done for want of memory or threads has failed, and that shows.
template <class Work>
Result<scanner::ScanResult> or_failure(Work work) {
  try {
    return work();
  } catch (const std::exception& exception) {
    return manifests::Error{manifests::ErrorCode::io, exception.what()};
  }
}

/// What the scan by `plan()` found, with who made it.
template <class Scan, class Plan>
Result<scanner::ScanResult> with_evidence(scanner::TreeEvidence* evidence, Scan scan, Plan plan) {
  if (evidence == nullptr) return scan();
  const auto began = evidence->begin_look();
  auto result = scan();
  if (!result) return result;
  result->evidence = evidence->end_look(*result, began);
  result->touched = left_as_listed(plan(), *result);
  return result;
}

}  // namespace

Rescanned rescan(std::shared_ptr<const scanner::ScanPlan> plan, const scanner::Scope& scope,
                 scanner::ScanOptions options, scanner::TreeEvidence* evidence, const WorkContext& context,
                 const std::stop_token& given_up) {
  Rescanned rescanned{std::move(plan), manifests::Error{}, std::chrono::steady_clock::now()};
  options.progress = context.progress;
  rescanned.result = or_failure([&]() -> Result<scanner::ScanResult> {
    const EitherStop stop(context.stop, given_up);
    auto current = scanner::with_current_accounts(rescanned.plan);
    if (!current) return current.error();
    rescanned.plan = std::move(*current);
    return with_evidence(
        evidence, [&] { return scanner::scan(*rescanned.plan, scope, options, stop.token()); },
        [&]() -> const scanner::ScanPlan& { return *rescanned.plan; });
  });
  return rescanned;
}

Scanned run(const ScanJob& job, const WorkContext& context) {
  const auto start = std::chrono::steady_clock::now();
  job.began->store(start);
  Scanned scanned{job.depth, job.generation, nullptr, manifests::Error{}, start, {}};
  scanned.result = or_failure([&] {
    return with_evidence(
        job.evidence.get(), [&] { return scan(job, scanned, context); },
        [&]() -> const scanner::ScanPlan& { return *scanned.plan; });
  });
  scanned.duration = std::chrono::steady_clock::now() - start;
  return scanned;
}

}  // namespace driftd::daemon
