#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include "daemon/report.hpp"
#include "manifests/escape.hpp"
#include "scanner/compare.hpp"
#include "tests/unit/daemon/report_samples.hpp"
#include "tests/unit/support/edit_facts.hpp"

using namespace driftd::daemon;
using namespace driftd::scanner;
using namespace driftd::test;

TEST_CASE("the report for people") { check_golden("report.txt", steady(human_report(sample(), Colour::none))); }

TEST_CASE("the report as JSON") { check_golden("report.json", steady(json_text(sample()))); }

TEST_CASE("no output lets a hostile name through") {
  check_harmless(human_report(sample(), Colour::none));
  const std::string json = json_text(sample());
  check_harmless(json);
  CHECK(lines_in(json) == 1);
  // Every single byte, alone in a name.
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    CAPTURE(byte);
    const std::string name = "a" + std::string(1, static_cast<char>(byte)) + "b";
    const CheckReport report =
        report_of({tree_of({finding(name, DriftKind::missing)}, {{name, UnverifiedReason::io, 5, 0}})});
    check_harmless(human_report(report, Colour::none));
    CHECK(lines_in(human_report(report, Colour::none)) == 5);
    check_harmless(json_text(report));
  }
}

TEST_CASE("JSON gives every path back exactly") {
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    const std::string name = "a" + std::string(1, static_cast<char>(byte)) + "\xe2\x80\xae";
    const auto document = boost::json::parse(json_text(report_of({tree_of({finding(name, DriftKind::added)})})));
    const auto& found = document.at("trees").at(0).at("drift").at(0).as_object();
    CAPTURE(byte);
    if (byte < 0x80) {
      CHECK(found.at("path").as_string() == name);
      CHECK_FALSE(found.contains("path_base64"));
    } else {
      CHECK(found.at("path").as_string() == driftd::manifests::escape(name));
      CHECK(found.contains("path_base64"));
    }
  }
}

TEST_CASE("a clean tree is a line that says so") {
  TreeReport tree = tree_of({});
  CHECK(steady(human_report(report_of({tree}), Colour::none)) ==
        "myapp  v103  signed by KEYIDKEY on 2025-11-21  CLEAN  12034 entries, 0.41 s\nreplay not checked: nothing is "
        "remembered\n");
  CHECK(holds(human_report(report_of({tree}), Colour::ansi), "\x1b[32mCLEAN\x1b[0m"));
}

TEST_CASE("a deploy that is under way, a reset of trust, and another release as a whole show") {
  TreeReport tree = tree_of({});
  tree.deploying_from = "v102";
  tree.scan->pending = {finding("a", DriftKind::modified, {Change::content}), finding("b", DriftKind::missing)};
  tree.replay_unchecked.clear();
  tree.trust_reset = {{kNow - 5, "v103 was \x1b[31m a mistake"}};
  CHECK(steady(human_report(report_of({tree}), Colour::none)) ==
        "myapp  v103  signed by KEYIDKEY on 2025-11-21  UNKNOWN  12034 entries, 0.41 s\n"
        "  pending    2 paths still as v102 has them: a deploy is under way\n"
        "myapp: trust was reset on 2025-11-22: v103 was \\x1b[31m a mistake\n"
        "Next: wait for the deploy, then run this again; --strict calls what is pending drift\n");
  const auto document = boost::json::parse(json_text(report_of({tree})));
  CHECK(document.at("verdict").as_string() == "unknown");
  CHECK(document.at("replay_checked").as_bool());
  CHECK(document.at("trees").at(0).at("deploying_from").as_string() == "v102");
  CHECK(document.at("trees").at(0).at("pending").as_array().size() == 2);

  const TreeReport other = tree_of({driftd::scanner::other_release("v103", "v102")});
  CHECK(holds(human_report(report_of({other}), Colour::none), "  modified  .  is exactly v102, expected v103\n"));
}

TEST_CASE("an expired manifest shows, for people and in JSON, and does not change the verdict") {
  auto header = header_of();
  header.expires = kNow - 12 * 86400;
  TreeReport tree = tree_of({});
  tree.manifest = make_release({{"a", file_entry("x")}}, header);
  CHECK(holds(human_report(report_of({tree}), Colour::none), "CLEAN  12034 entries, 0.41 s  EXPIRED 12 d ago\n"));
  const auto document = boost::json::parse(json_text(report_of({tree})));
  CHECK(document.at("verdict").as_string() == "clean");
  CHECK(document.at("trees").at(0).at("manifest").at("expired").as_bool());
  CHECK(document.at("trees").at(0).at("manifest").at("expires").as_string() == "2025-11-10T10:00:00Z");
}

TEST_CASE("at most 20 findings, then counts by directory, the fullest first") {
  std::vector<Finding> findings;
  for (int i = 0; i < 30; ++i) findings.push_back(finding("app/" + std::to_string(100 + i), DriftKind::missing));
  for (int i = 0; i < 40; ++i) findings.push_back(finding("lib/" + std::to_string(100 + i), DriftKind::missing));
  findings.push_back(finding("top", DriftKind::missing));
  for (int i = 10; i < 25; ++i) findings.push_back(finding("x" + std::to_string(i) + "\n/a", DriftKind::missing));
  const std::string text = human_report(report_of({tree_of(findings)}), Colour::none);
  check_harmless(text);
  CHECK(holds(text, "  missing   app/119\n"));
  CHECK_FALSE(holds(text, "app/120"));
  CHECK(holds(
      text,
      "  ... 86 in all, by directory:\n        40  lib/\n        30  app/\n         1  .\n         1  x10\\x0a/\n"));
  CHECK(holds(text, "  and 8 more directories\n"));
  CHECK(lines_in(text) == 1 + 20 + 1 + 10 + 1 + 2);
  // JSON leaves nothing out.
  CHECK(boost::json::parse(json_text(report_of({tree_of(findings)}))).at("trees").at(0).at("drift").as_array().size() ==
        86);
}

TEST_CASE("twenty findings are shown in full") {
  const std::vector<Finding> findings(20, finding("a", DriftKind::missing));
  CHECK_FALSE(holds(human_report(report_of({tree_of(findings)}), Colour::none), "in all"));
}

TEST_CASE("what could not be verified makes a tree unknown, and there may be much of it") {
  std::vector<Unverified> unverified;
  for (int i = 0; i < 25; ++i)
    unverified.push_back({"p" + std::to_string(10 + i), UnverifiedReason::permission, 13, 0});
  const std::string text = human_report(report_of({tree_of({}, unverified)}), Colour::none);
  CHECK(holds(text, "UNKNOWN"));
  CHECK_FALSE(holds(text, "CLEAN"));
  CHECK(holds(text, "  unverified p29  permission\n"));
  CHECK_FALSE(holds(text, "p30"));
  CHECK(holds(text, "  ... 25 unverified paths in all\n"));
  CHECK(boost::json::parse(json_text(report_of({tree_of({}, unverified)}))).at("verdict").as_string() == "unknown");
}

TEST_CASE("what differs, expected before actual") {
  Finding made = finding("p", DriftKind::metadata, {Change::mode});
  edit(made.expected)->executable = edit(made.actual)->executable = false;
  for (const auto& [mode, text] : {std::pair(04644U, "mode 4644: setuid"),
                                   {02644U, "mode 2644: setgid"},
                                   {0646U, "mode 0646: world-writable"},
                                   {06646U, "mode 6646: setuid, setgid, world-writable"}}) {
    edit(made.actual)->mode = mode;
    CHECK(describe(made) == text);
  }
  edit(made.actual)->mode = 0755;
  edit(made.actual)->executable = true;
  CHECK(describe(made) == "mode 0755: executable");
  CHECK(describe(finding("p", DriftKind::added)).empty());
  made = finding("p", DriftKind::added);
  made.below = 1;
  CHECK(describe(made) == "with 1 path below");
}

TEST_CASE("a name that ends in spaces is not taken for another") {
  const std::string plain = human_report(report_of({tree_of({finding("a", DriftKind::missing)})}), Colour::none);
  const std::string spaced = human_report(report_of({tree_of({finding("a  ", DriftKind::missing)})}), Colour::none);
  CHECK(plain != spaced);
}

TEST_CASE("reports are UTF-8 whatever the names of accounts are") {
  Finding made = finding("p", DriftKind::metadata, {Change::owner});
  edit(made.expected)->owner = "root";
  edit(made.actual)->owner = "caf\xe9";
  edit(made.actual)->group = "\x1b[2J";
  check_harmless(json_text(report_of({tree_of({made})})));
  check_harmless(human_report(report_of({tree_of({made})}), Colour::none));
}
