#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/report.hpp"
#include "scanner/compare.hpp"
#include "tests/unit/daemon/report_samples.hpp"

using namespace driftd::daemon;
using namespace driftd::scanner;
using namespace driftd::test;

namespace {

/// The sample, and what it lacks: a deploy that is under way, and problems beside a scan.
CheckReport everything() {
  CheckReport report = sample();
  TreeReport deploying = tree_of({});
  deploying.name = "fourth";
  deploying.root = "/";
  deploying.deploying_from = "v102";
  deploying.scan->pending = {finding("a|b", DriftKind::modified, {Change::content}), finding("c", DriftKind::missing)};
  TreeReport asked = tree_of({other_release("v103", "v102")});
  asked.name = "fifth";
  asked.problems = {{"strict", "expired", "the manifest has expired"},
                    {"path", "unknown", "no|pe: neither on the host nor in the manifest", "no|pe"}};
  report.trees.push_back(deploying);
  report.trees.push_back(asked);
  return report;
}

std::vector<std::string> split(const std::string& text, char end) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t at = text.find(end, start);
    REQUIRE(at != std::string::npos);
    parts.push_back(text.substr(start, at - start));
    start = at + 1;
  }
  return parts;
}

}  // namespace

TEST_CASE("the report for scripts") {
  check_golden("report.porcelain", porcelain_text(everything(), RecordEnd::newline));
}

TEST_CASE("the report of a plugin") { check_golden("report.nagios", steady(nagios_report(everything()))); }

TEST_CASE("scripts are told nothing exactly where all is clean") {
  const Finding drift = finding("a", DriftKind::missing);
  TreeReport pending = tree_of({});
  pending.scan->pending = {drift};
  TreeReport refused;
  refused.problems = {{"manifest", "signature", "no signature"}};
  TreeReport strict = tree_of({});
  strict.problems = {{"strict", "replay", "replay was not checked"}};
  for (const TreeReport& other :
       {tree_of({}), tree_of({drift}), tree_of({}, {{"a", UnverifiedReason::io, 5, 0}}), pending, refused, strict}) {
    const CheckReport report = report_of({tree_of({}), other});
    CHECK(porcelain_text(report, RecordEnd::newline).empty() == (report.verdict() == Verdict::clean));
    CHECK(porcelain_text(report, RecordEnd::nul).empty() == (report.verdict() == Verdict::clean));
  }
}

TEST_CASE("a record has three fields whatever a name holds, and its path is exact where NUL ends it") {
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    CAPTURE(byte);
    const std::string name = "a" + std::string(1, static_cast<char>(byte)) + "b";
    const CheckReport report =
        report_of({tree_of({finding(name, DriftKind::missing)}, {{name, UnverifiedReason::io, 5, 0}})});
    const std::string lines = porcelain_text(report, RecordEnd::newline);
    REQUIRE(split(lines, '\n').size() == 2);
    for (const std::string& line : split(lines, '\n')) {
      CHECK(split(line + "\t", '\t').size() == 3);
      CHECK(line.ends_with("\t/srv/myapp/" + driftd::manifests::escape(name)));
    }
    CHECK(porcelain_text(report, RecordEnd::nul) == "missing\t-\t/srv/myapp/" + name + std::string(1, '\0') +
                                                        "unverified\tio\t/srv/myapp/" + name + std::string(1, '\0'));
  }
}

TEST_CASE("scripts get every path") {
  const std::vector<Finding> findings(1000, finding("a", DriftKind::missing));
  CHECK(split(porcelain_text(report_of({tree_of(findings)}), RecordEnd::newline), '\n').size() == 1000);
}

TEST_CASE("a plugin says in one line how its trees are") {
  const auto first_line = [](const CheckReport& report) {
    const std::string text = steady(nagios_report(report));
    CHECK(nagios_exit_code(report.verdict()) == (text.starts_with("DRIFTD OK - ")         ? 0
                                                 : text.starts_with("DRIFTD CRITICAL - ") ? 2
                                                                                          : 3));
    return text.substr(0, text.find('\n'));
  };
  const TreeReport clean = tree_of({});
  const TreeReport drifted = tree_of({finding("a", DriftKind::missing)});
  const TreeReport unknown = tree_of({}, {{"b", UnverifiedReason::permission, 13, 0}});
  CHECK(first_line(report_of({clean})) ==
        "DRIFTD OK - myapp v103 clean, 12034 entries | drift=0;;0;0 pending=0;;;0 unverified=0;;;0 problems=0;;;0 "
        "entries=12034;;;0 time=0.410s;;;0");
  CHECK(holds(first_line(report_of({clean, clean, clean})), "DRIFTD OK - 3 trees clean | drift=0;;0;0 "));
  CHECK(holds(first_line(report_of({clean, clean, clean})), " entries=36102;;;0 time=1.230s;;;0"));
  CHECK(holds(first_line(report_of({clean, unknown})),
              "DRIFTD UNKNOWN - myapp v103 unknown, 12034 entries, 1 unverified; 1 tree clean | "));
  // Drift beats unknown, and comes first.
  CHECK(
      holds(first_line(report_of({unknown, clean, drifted})),
            "DRIFTD CRITICAL - myapp v103 drift, 1 of 12034 entries; myapp v103 unknown, 12034 entries, 1 unverified; "
            "1 tree clean | drift=1;;0;0 pending=0;;;0 unverified=1;;;0 "));
  CHECK(holds(first_line(report_of(std::vector<TreeReport>(9, drifted))), "; and 5 other trees | drift=9;;0;0 "));
}

TEST_CASE("a plugin's lines are few and short, and a name cannot start performance data or another line") {
  std::vector<Finding> findings;
  for (int byte = 1; byte < 256; ++byte) {
    if (byte != '/')
      findings.push_back(finding("a" + std::string(1, static_cast<char>(byte)) + "b", DriftKind::missing));
  }
  for (const Finding& one : findings) {
    const std::string text = nagios_report(report_of({tree_of({one})}));
    check_harmless(text);
    CHECK(lines_in(text) == 2);
    CHECK(std::count(text.begin(), text.end(), '|') == 1);
  }
  const std::string many = nagios_report(report_of({tree_of(findings)}));
  CHECK(lines_in(many) == 1 + 10 + 1);
  CHECK(many.ends_with("\n... and 244 more: driftd check\n"));

  const std::string long_name =
      nagios_report(report_of({tree_of({finding(std::string(4000, 'x'), DriftKind::added)})}));
  CHECK(long_name.size() < 600);
  CHECK(nagios_failure("a|b\nc") == "DRIFTD UNKNOWN - a\\x7cb\\x0ac\n");
}

TEST_CASE("paths stand in commands so that a shell gives them back") {
  CHECK(shell_word("/srv/app/a-b_c.d") == "/srv/app/a-b_c.d");
  CHECK(shell_word("/srv/my app") == "'/srv/my app'");
  CHECK(shell_word("~root") == "'~root'");
  CHECK(shell_word("$(id)\\") == "'$(id)\\'");
  CHECK(shell_word("it's") == "$'it\\'s'");
  CHECK(shell_word("a\n\xff\\") == "$'a\\012\\377\\\\'");
  CHECK(shell_word("") == "''");
}
