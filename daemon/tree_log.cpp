#include "daemon/tree_log.hpp"

#include <algorithm>
#include <optional>

#include <spdlog/spdlog.h>

#include "daemon/evidence_forms.hpp"
#include "daemon/report.hpp"
#include "manifests/escape.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::daemon {
namespace {

using manifests::escape;

constexpr std::size_t kMostLogged = 20;

}  // namespace

void log_standing(const std::string& name, const Standing& before, const Standing& standing, TreeState::News news) {
  const auto is_news = [](const std::optional<manifests::Error>& error, const std::optional<manifests::Error>& told) {
    return error && (!told || told->message != error->message);
  };
  if (is_news(standing.forgetful, before.forgetful)) {
    spdlog::error("{}: rollback protection is lost: {}", name, standing.forgetful->message);
  }
  if (is_news(standing.problem, before.problem)) {
    spdlog::error("{}: manifest refused: {}", name, standing.problem->message);
  }
  if (standing.is_first && before.manifest == nullptr && standing.manifest != nullptr) {
    spdlog::warn("{}: no release of {} is remembered for this tree; this one is taken as it comes", name,
                 standing.manifest->header().name);
  }
  const bool was_reset =
      standing.trust_reset && (!before.trust_reset || before.trust_reset->at != standing.trust_reset->at);
  if (was_reset) {
    spdlog::warn("{}: trust was reset on {}: {}", name, manifests::format_utc(standing.trust_reset->at),
                 escape(standing.trust_reset->reason));
  }
  if (is_news(standing.distrust, before.distrust)) {
    spdlog::error("{}: nothing can be called clean: {}", name, standing.distrust->message);
  }
  if (news == TreeState::News::new_release) {
    const auto& header = standing.manifest->header();
    spdlog::info(
        "{}: release {} (sequence {}, {} entries) is in force{}", name, escape(header.release), header.sequence,
        standing.manifest->manifest().size(),
        standing.previous ? ", a deploy from " + escape(standing.previous->header().release) + " is under way" : "");
  }
}

void log_drift(const std::string& name, spdlog::level::level_enum level, const char* what,
               const std::vector<const scanner::OpenDrift*>& all, Authors authors) {
  for (std::size_t i = 0; i < std::min(all.size(), kMostLogged); ++i) {
    const scanner::Finding& finding = all[i]->finding;
    const std::string how = describe(finding);
    const auto& evidence = all[i]->evidence;
    const bool is_named = authors == Authors::named && evidence;
    spdlog::log(level, "{}: drift {}: {} {}{}{}{}", name, what, to_string(finding.kind), escape(finding.path),
                how.empty() ? "" : " ", how, is_named ? "; by " + evidence_line(*evidence) : "");
  }
  if (all.size() > kMostLogged) {
    spdlog::log(level, "{}: drift {}: and {} more paths", name, what, all.size() - kMostLogged);
  }
}

}  // namespace driftd::daemon
