#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include "daemon/metrics.hpp"
#include "daemon/process_metrics.hpp"
#include "manifests/version.hpp"
#include "tests/unit/daemon/sample_snapshot.hpp"
#include "tests/unit/support/golden.hpp"

using namespace driftd::daemon;
using driftd::test::replaced;
using driftd::test::sample_snapshot;

namespace {

/// The page without what differs from one process and build to the next.
std::string steady(std::string page) {
  page = replaced(std::move(page), driftd::manifests::kRevision, "REVISION");
  page =
      replaced(std::move(page), "version=\"" + std::string(driftd::manifests::kVersion) + "\"", "version=\"VERSION\"");
  return std::regex_replace(page, std::regex("\n(process_[a-z_]+) [^\n]+"), "\n$1 NUMBER");
}

struct Series {
  std::string name;
  std::string labels;
};

/// The lines that are no comments, read by nothing but the text format's grammar.
std::vector<Series> series_of(const std::string& page) {
  static const std::regex kLine(
      R"(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+))");
  std::vector<Series> all;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    std::smatch parts;
    REQUIRE_MESSAGE(std::regex_match(line, parts, kLine), line);
    all.push_back({parts[1], parts[3]});
  }
  return all;
}

}  // namespace

TEST_CASE("the page as a whole") { driftd::test::check_golden("metrics.txt", steady(metrics_page(sample_snapshot()))); }

TEST_CASE("every line is of the text format, every series stands once, every family in one piece") {
  const std::string page = metrics_page(sample_snapshot());
  std::set<std::string> seen;
  std::set<std::string> ended;
  std::string family;
  for (const auto& [name, labels] : series_of(page)) {
    CAPTURE(name);
    CAPTURE(labels);
    CHECK(seen.insert(name + "{" + labels + "}").second);
    if (name != family) {
      CHECK_FALSE(ended.contains(name));
      ended.insert(family);
      family = name;
    }
    CHECK((name.starts_with("driftd_") || name.starts_with("process_")));
  }
  CHECK(page.ends_with('\n'));
  // A name that could end a label early is escaped.
  CHECK(page.find(R"(note="a \"quoted\" back\\slash\nand line")") != std::string::npos);
}

TEST_CASE("no path of a tree, and no message that may hold one, gets onto the page") {
  CHECK(metrics_page(sample_snapshot()).find("/srv") == std::string::npos);
}

TEST_CASE("the number of series stays within its bounds: 50 a tree, 40 a daemon, a few more while much is wrong") {
  std::map<std::string, int> of_tree;
  int of_daemon = 0;
  for (const auto& [name, labels] : series_of(metrics_page(sample_snapshot()))) {
    std::smatch parts;
    std::regex_search(labels, parts, std::regex("tree=\"([^\"]*)\""));
    parts.empty() ? ++of_daemon : ++of_tree[parts[1]];
  }
  CHECK(of_daemon <= 40);
  CHECK(of_tree.size() == 2);
  for (const auto& [tree, count] : of_tree) {
    CAPTURE(tree);
    // What is there from the start, and what lasts only as long as its cause.
    CHECK(count <= (tree == "fresh" ? 50 : 60));
  }
}

TEST_CASE("series that alerts need are there from the start") {
  const std::string page = metrics_page(sample_snapshot());
  for (const char* line : {
           "driftd_tree_verdict{tree=\"fresh\",verdict=\"clean\"} 0\n",
           "driftd_tree_verdict{tree=\"fresh\",verdict=\"drift\"} 0\n",
           "driftd_tree_verdict{tree=\"fresh\",verdict=\"unknown\"} 1\n",
           "driftd_tree_unknown{tree=\"fresh\",reason=\"manifest\"} 1\n",
           "driftd_drifted_paths{tree=\"fresh\",kind=\"missing\",state=\"open\"} 0\n",
           "driftd_manifest_valid{tree=\"fresh\"} 0\n",
           "driftd_scans_total{tree=\"fresh\",type=\"full\"} 0\n",
           "driftd_drift_detected_total{tree=\"fresh\"} 0\n",
           "driftd_watch_active{tree=\"fresh\",mode=\"polling\"} 1\n",
           "driftd_manifest_problem{tree=\"myapp\",reason=\"replay\"} 1\n",
           "driftd_manifest_problem{tree=\"myapp\",reason=\"expired\"} 1\n",
           "driftd_unverified_paths{tree=\"myapp\",reason=\"mount\"} 0\n",
           "driftd_detection_latency_seconds_bucket{le=\"+Inf\"} 3\n",
       }) {
    CAPTURE(line);
    CHECK(page.find(line) != std::string::npos);
  }
}

TEST_CASE("a manifest on disk that is refused is not valid, whatever is in force") {
  Snapshot snapshot = sample_snapshot();
  CHECK(metrics_page(snapshot).find("driftd_manifest_valid{tree=\"myapp\"} 0\n") != std::string::npos);
  snapshot.trees[0].manifest_problem.reset();
  CHECK(metrics_page(snapshot).find("driftd_manifest_valid{tree=\"myapp\"} 1\n") != std::string::npos);
}

TEST_CASE("the process tells of itself") {
  const ProcessMetrics process = read_process_metrics();
  CHECK(process.open_fds >= 3);
  CHECK(process.max_fds >= process.open_fds);
  CHECK(process.resident_bytes > 1e6);
  CHECK(process.virtual_bytes >= process.resident_bytes);
  CHECK(process.cpu_seconds >= 0);
  CHECK(process.start_time > 1.6e9);
}
