#include "daemon/pages.hpp"

#include <utility>

#include <fmt/format.h>

#include "daemon/metrics.hpp"
#include "manifests/escape.hpp"
#include "manifests/version.hpp"

namespace driftd::daemon {
namespace {

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kHtml = "text/html; charset=utf-8";
constexpr const char* kJson = "application/json";

/// Paths that one document lists at the most, fewer if they are long, beside those that people are shown of each tree:
/// some 300 kB.
constexpr std::size_t kMostPaths = 1000;

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 "
    "1rem;color:#1b1f24;background:#fff}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.45rem .8rem;border-bottom:1px solid "
    "#d8dee4}"
    "th{font-weight:600;color:#57606a}b{padding:.1rem .55rem;border-radius:.3rem;color:#fff;font-weight:600}"
    "pre{overflow-x:auto}.clean{background:#1a7f37}.drift{background:#cf222e}.unknown{background:#7d4e00}a{color:#"
    "0969da}"
    "@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}th{color:#9198a1}th,td{border-color:#"
    "30363d}"
    "a{color:#4493f8}}";

/// Of text in which names are escaped for people already.
std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string html_escape(std::string_view text) { return html_text(manifests::escape(text)); }

/// Why a tree is not clean, in a few words.
std::string details(const TreeSnapshot& tree) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (!tree.exactly.empty() && tree.manifest) {
    add("is exactly " + tree.exactly + ", expected " + tree.manifest->release);
  } else {
    for (const auto& [kind, count] : tree.drift) add(fmt::format("{} {}", count, to_string(kind)));
  }
  for (const auto& [reason, count] : tree.unverified) {
    if (count > 0) add(fmt::format("{} unverified ({})", count, to_string(reason)));
  }
  for (const UnknownReason reason : tree.unknown) {
    if (reason != UnknownReason::unverified) add(std::string(to_string(reason)));
  }
  if (tree.manifest_problem) add("manifest refused (" + std::string(to_string(tree.manifest_problem->code)) + ")");
  if (tree.deploy_pending > 0) {
    add(fmt::format("{}{} pending", tree.deploy_in_progress ? "" : "deploy stuck, ", tree.deploy_pending));
  }
  if (tree.manifest && tree.manifest->expired) add("EXPIRED");
  if (tree.trust_reset) add("trust was reset");
  if (tree.clock_suspect) add("clock behind what was signed");
  return text;
}

/// Its reason names a path, which is for the log.
constexpr std::string_view kNoControl = "driftd status and driftd scan do not work, see the log";

std::string status_page(const Snapshot& snapshot, const Details& details_of) {
  std::string rows;
  for (const TreeSnapshot& tree : snapshot.trees) {
    rows += fmt::format("<tr><td>{}</td><td>{}</td><td><b class=\"{}\">{}</b></td><td>{}</td></tr>\n",
                        html_escape(tree.name), tree.manifest ? html_escape(tree.manifest->release) : "-",
                        to_string(tree.verdict()), to_string(tree.verdict()), html_escape(details(tree)));
  }
  const std::string paths = details_of
                                ? fmt::format(
                                      "<pre>{}</pre>\n<p>For programs: <a href=\"/api/v1/status\">status</a>, <a "
                                      "href=\"/api/v1/drift\">drift</a>.",
                                      html_text(human_status(details_of(0), Colour::none)))
                                : "<p>Which paths: <code>driftd status</code> on the host.";
  const std::string control = snapshot.control_problem.empty() ? "" : fmt::format("<p>{}.</p>\n", kNoControl);
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\">"
      "<title>driftd: {0}</title><style>{1}</style></head>\n<body><h1>driftd</h1>\n"
      "<table><tr><th>Tree</th><th>Release</th><th>Verdict</th><th></th></tr>\n{2}</table>\n{4}"
      "{5} <a href=\"/metrics\">Metrics</a>. Version "
      "{3}.</p></body></html>\n",
      to_string(snapshot.verdict()), kStyle, rows, manifests::kVersion, control, paths);
}

HttpResponse serve_api(std::string_view path, const Details& details) {
  const auto json_by = path == "/api/v1/status" ? json_status : path == "/api/v1/drift" ? json_drift : nullptr;
  if (json_by == nullptr) return {404, kText, "not found\n"};
  if (!details) {
    return {403, kText,
            "paths and who changed them are not for everyone: ask `driftd status --json` on the host, or set "
            "web.public_details\n"};
  }
  HttpResponse response{200, kJson, {}};
  json_by(details(kMostPaths), [&](std::string_view piece) { response.body += piece; });
  return response;
}

}  // namespace

HttpResponse serve_page(std::string_view path, const Snapshot& snapshot, const Details& details) {
  if (path == "/metrics") return {200, kMetricsContentType, metrics_page(snapshot)};
  if (path == "/-/healthy") return {200, kText, "healthy\n"};
  if (path == "/-/ready") {
    if (snapshot.ready()) return {200, kText, "ready\n"};
    return {503, kText, "not ready: the first scan of every tree has to end\n"};
  }
  if (path == "/") return {200, kHtml, status_page(snapshot, details)};
  return serve_api(path, details);
}

HttpResponse DetailedPages::serve(std::string_view path, const std::shared_ptr<const Snapshot>& snapshot,
                                  const Details& details) {
  if (path != "/" && !path.starts_with("/api/")) return serve_page(path, *snapshot, details);
  if (snapshot != snapshot_) made_.clear();
  snapshot_ = snapshot;
  if (const auto made = made_.find(path); made != made_.end()) return made->second;
  HttpResponse page = serve_page(path, *snapshot, details);
  if (page.status != 200) return page;  // there is no end to the names of what does not exist
  page.shared_body = std::make_shared<const std::string>(std::exchange(page.body, {}));
  return made_.emplace(path, std::move(page)).first->second;
}

std::string status_line(const Snapshot& snapshot) {
  std::string text = snapshot.control_problem.empty() ? "" : std::string(kNoControl);
  for (const TreeSnapshot& tree : snapshot.trees) {
    constexpr std::size_t kEnough = 400;
    if (text.size() > kEnough) return text + ", ...";
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", tree.name, to_string(tree.verdict()));
    if (const std::string why = details(tree); !why.empty()) text += " (" + why + ")";
  }
  return text;
}

}  // namespace driftd::daemon
