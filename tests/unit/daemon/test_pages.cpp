#include <string>

#include <doctest/doctest.h>

#include "daemon/metrics.hpp"
#include "daemon/pages.hpp"
#include "tests/unit/daemon/sample_snapshot.hpp"

using namespace driftd::daemon;
using driftd::test::sample_snapshot;

namespace {

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
  return found;
}

}  // namespace

TEST_CASE("what is served where") {
  Snapshot snapshot = sample_snapshot();
  CHECK(serve_page("/metrics", snapshot, {}).status == 200);
  CHECK(serve_page("/metrics", snapshot, {}).content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(holds(serve_page("/metrics", snapshot, {}).body, "# TYPE driftd_tree_verdict gauge\n"));
  CHECK(serve_page("/-/healthy", snapshot, {}).status == 200);
  CHECK(serve_page("/-/ready", snapshot, {}).status == 503);
  snapshot.trees[1].full.done = 1;
  CHECK(serve_page("/-/ready", snapshot, {}).status == 200);
  CHECK(serve_page("/", snapshot, {}).status == 200);
  CHECK(serve_page("/", snapshot, {}).content_type == "text/html; charset=utf-8");
  for (const char* path :
       {"", "/metrics/", "/Metrics", "//", "/index.html", "/-/reload", "/../etc/passwd", "/\n", "/%2e"}) {
    CAPTURE(path);
    const HttpResponse response = serve_page(path, snapshot, {});
    CHECK(response.status == 404);
    CHECK(response.body == "not found\n");
  }
}

TEST_CASE("the status page is well-formed whatever a release is called, and shows no path") {
  Snapshot snapshot = sample_snapshot();
  snapshot.trees[0].manifest->release = "<script>alert(1)</script>\"'&";
  const std::string page = serve_page("/", snapshot, {}).body;
  CHECK_FALSE(holds(page, "<script"));
  CHECK_FALSE(holds(page, "alert(1)</"));
  CHECK(holds(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;"));
  CHECK_FALSE(holds(page, "/srv"));
  CHECK(count(page, "<tr>") == 3);
  CHECK(count(page, "<tr>") == count(page, "</tr>"));
  CHECK(count(page, "<td>") == count(page, "</td>"));
  CHECK(holds(page, "<b class=\"drift\">drift</b>"));
  CHECK(holds(page, "<b class=\"unknown\">unknown</b>"));
  CHECK(holds(page, "<title>driftd: drift</title>"));
}

TEST_CASE("the status line says how each tree is, and why") {
  CHECK(status_line(sample_snapshot()) ==
        "myapp: drift (3 modified, 1 added, 2 unverified (permission), overdue, manifest refused (replay), EXPIRED); "
        "fresh: unknown (manifest)");
  CHECK(status_line({}).empty());
}

TEST_CASE("the status line has an end") {
  Snapshot snapshot;
  for (int i = 0; i < 1000; ++i) {
    snapshot.trees.emplace_back();
    snapshot.trees.back().name = "tree" + std::to_string(i);
  }
  const std::string line = status_line(snapshot);
  CHECK(line.size() < 600);
  CHECK(line.starts_with("tree0: clean; tree1: clean; "));
  CHECK(line.ends_with(", ..."));
  CHECK_FALSE(holds(line, "\n"));
}

TEST_CASE("a control socket that does not work is told everywhere, and its path nowhere") {
  Snapshot snapshot = sample_snapshot();
  const std::string told = "driftd status and driftd scan do not work, see the log";
  CHECK_FALSE(holds(serve_page("/", snapshot, {}).body, told));
  CHECK_FALSE(holds(status_line(snapshot), told));
  snapshot.control_problem = "no control socket: /srv/run: Permission denied";
  CHECK(holds(serve_page("/", snapshot, {}).body, told));
  CHECK(status_line(snapshot).starts_with(told + "; myapp: drift"));
  CHECK_FALSE(holds(serve_page("/", snapshot, {}).body, "/srv"));
}
