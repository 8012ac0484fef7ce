#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/config.hpp"
#include "daemon/config_values.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::daemon;
using driftd::test::must;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr const char* kTree = "trees:\n  - {name: a, root: /r, manifest: /m}\n";

Config parse(const std::string& text) { return must(parse_config(text, "f.yaml", "web-3")); }

std::string error_of(const std::string& text) {
  const auto config = parse_config(text, "f.yaml", "web-3");
  return config ? "accepted" : config.error().message;
}

/// The error for one more key of a tree, without its place.
std::string tree_error(const std::string& line) {
  return error_of("trees:\n  - name: a\n    root: /r\n    manifest: /m\n    " + line + "\n");
}

/// The error for one more line at the top.
std::string top_error(const std::string& line) { return error_of(kTree + line + "\n"); }

}  // namespace

TEST_CASE("a full configuration means what it says") {
  const Config config = parse(R"(
trees:
  - name: myapp
    root: /srv/myapp/current/
    manifest: /srv/myapp/current/.driftd/myapp.manifest
    manifest_name: my.app_1-x
    require: {env: production, host: "%H", rate: "5%%", both: "%H-%%%H"}
    keys: [myapp-ci, other]
    min_sequence: 18446744073709551615
    additions: ignore
    quick_scan: 30m
    full_scan: 1d
    deploy_window: 5m
    notify_after: 0s
    labels: {team: web, on_call: "a b"}
  - {name: second, root: /, manifest: /m}
trust: {directories: [/a/, /b], threshold: 2}
watch: events
limits: {threads: 4, read_rate: 16MiB/s, read_ops: 500/s, manifest_size: 2GiB}
web: {listen: ["127.0.0.1:1", "[::1]:65535"], public_details: true}
log: {level: debug}
)");
  REQUIRE(config.trees.size() == 2);
  const TreeConfig& tree = config.trees[0];
  CHECK(tree.name == "myapp");
  CHECK(tree.root == "/srv/myapp/current");
  CHECK(tree.manifest == "/srv/myapp/current/.driftd/myapp.manifest");
  CHECK(tree.manifest_name == "my.app_1-x");
  CHECK(tree.require == Labels{{"env", "production"}, {"host", "web-3"}, {"rate", "5%"}, {"both", "web-3-%web-3"}});
  CHECK(tree.keys == std::vector<std::string>{"myapp-ci", "other"});
  CHECK(tree.min_sequence == UINT64_MAX);
  CHECK_FALSE(tree.report_additions);
  CHECK(tree.quick_scan_is_set);
  CHECK(tree.quick_scan == minutes(30));
  CHECK(tree.full_scan == hours(24));
  CHECK(tree.deploy_window == minutes(5));
  CHECK(tree.notify_after == seconds(0));
  CHECK(tree.labels == Labels{{"team", "web"}, {"on_call", "a b"}});
  CHECK(config.trees[1].root == "/");
  CHECK(config.trust == TrustConfig{{"/a", "/b"}, 2});
  CHECK(config.watch == WatchMode::events);
  CHECK(config.limits.threads == 4);
  CHECK(config.limits.periodic_scans.bytes_per_second == 16ULL << 20U);
  CHECK(config.limits.periodic_scans.reads_per_second == 500);
  CHECK(config.limits.manifest_size == std::size_t{2} << 30U);
  CHECK(config.listen == std::vector<Endpoint>{{"127.0.0.1", 1}, {"::1", 65535}});
  CHECK(config.public_details);
  CHECK(config.log_level == LogLevel::debug);
}

TEST_CASE("what is left out has its default") {
  const Config config = parse(kTree);
  const TreeConfig& tree = config.trees.at(0);
  CHECK(tree.manifest_name == "a");
  CHECK(tree.require.empty());
  CHECK(tree.keys.empty());
  CHECK(tree.min_sequence == 0);
  CHECK(tree.report_additions);
  CHECK_FALSE(tree.quick_scan_is_set);
  CHECK(tree.full_scan == hours(24));
  CHECK(tree.deploy_window == minutes(10));
  CHECK(tree.notify_after == seconds(60));
  CHECK(config.trust == TrustConfig{{"/usr/lib/driftd/trust.d", "/etc/driftd/trust.d"}, 1});
  CHECK(config.watch == WatchMode::automatic);
  CHECK(config.limits.threads == 2);
  CHECK(config.limits.periodic_scans.bytes_per_second == 32ULL << 20U);
  CHECK(config.limits.periodic_scans.reads_per_second == 1000);
  CHECK(config.limits.manifest_size == std::size_t{1} << 30U);
  CHECK(config.listen == std::vector<Endpoint>{{"0.0.0.0", 9747}});
  CHECK_FALSE(config.public_details);
  CHECK(config.log_level == LogLevel::info);
  // A section without content is as if it were not there.
  CHECK(parse(std::string(kTree) + "trust:\nweb:\nlimits: {}\n").trust == config.trust);
}

TEST_CASE("what is unknown is an error with its place, and with what may have been meant") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"tree:\n  - name: a\n", "f.yaml:1:1: unknown key 'tree'; did you mean 'trees'?"},
      {"trees:\n  - nme: a\n", "f.yaml:2:5: unknown key 'nme'; did you mean 'name'?"},
      {"trees:\n  - name: a\n    manfest: /m\n", "f.yaml:3:5: unknown key 'manfest'; did you mean 'manifest'?"},
      {"trust: {dirs: []}\n", "f.yaml:1:9: unknown key 'dirs'; known here: directories, threshold"},
      {"limits: {thread: 1}\n", "f.yaml:1:10: unknown key 'thread'; did you mean 'threads'?"},
      {"web: {listen: [], port: 1}\n", "f.yaml:1:19: unknown key 'port'; known here: listen, public_details"},
      {"log: {lvel: info}\n", "f.yaml:1:7: unknown key 'lvel'; did you mean 'level'?"},
      {"\"a\\e\": 1\n",
       "f.yaml:1:1: unknown key 'a\\x1b'; known here: state_directory, run_directory, trees, trust, watch, limits, "
       "web, log"},
  };
  for (const auto& [text, error] : cases) {
    CAPTURE(text);
    CHECK(error_of(text) == error);
  }
}

TEST_CASE("a wrong value is an error with its place") {
  const std::vector<std::pair<std::string, std::string>> tree_lines{
      {"root: relative", "f.yaml:5:5: the key 'root' stands twice; first in line 3"},
      {"manifest_name: a b", "f.yaml:5:20: must be 1 to 64 of A-Z a-z 0-9 . _ -"},
      {"manifest_name: ''", "f.yaml:5:20: must be text"},
      {"manifest_name: [a]", "f.yaml:5:20: must be text"},
      {"require: production", "f.yaml:5:14: must be a map of labels and values"},
      {"require: {env: [a]}", "f.yaml:5:20: must be text"},
      {"require: {env: }", "f.yaml:5:20: must be text"},
      {"require: {host: '%h'}", "f.yaml:5:21: only %H (this host's name) and %% are known"},
      {"require: {host: 'x%'}", "f.yaml:5:21: only %H (this host's name) and %% are known"},
      {"keys: myapp", "f.yaml:5:11: must be a list"},
      {"keys: [a, {b: c}]", "f.yaml:5:15: must be text"},
      {"min_sequence: -1", "f.yaml:5:19: must be a number from 0 to 18446744073709551615"},
      {"min_sequence: 017", "f.yaml:5:19: must be a number from 0 to 18446744073709551615"},
      {"min_sequence: 0x1f", "f.yaml:5:19: must be a number from 0 to 18446744073709551615"},
      {"min_sequence: 18446744073709551616", "f.yaml:5:19: must be a number from 0 to 18446744073709551615"},
      {"additions: yes", "f.yaml:5:16: must be one of report, ignore"},
      {"additions: [report]", "f.yaml:5:16: must be one of report, ignore"},
      {"quick_scan: 30", "f.yaml:5:17: must be a time of one second to a year, as in 90s, 30m, 24h or 7d"},
      {"full_scan: 0s", "f.yaml:5:16: must be a time of one second to a year, as in 90s, 30m, 24h or 7d"},
      {"notify_after: 60", "f.yaml:5:19: must be a time of 0s to a year, as in 0s, 90s, 30m or 24h"},
      {"notify_after: -1s", "f.yaml:5:19: must be a time of 0s to a year, as in 0s, 90s, 30m or 24h"},
      {"notify_after: 367d", "f.yaml:5:19: must be a time of 0s to a year, as in 0s, 90s, 30m or 24h"},
      {"labels: {tree: x}",
       "f.yaml:5:14: 'tree' cannot be a Prometheus label here: letters, digits and _, not first a digit, "
       "not 'tree', not starting with __"},
      {"labels: {9a: x}",
       "f.yaml:5:14: '9a' cannot be a Prometheus label here: letters, digits and _, not first a digit, "
       "not 'tree', not starting with __"},
  };
  for (const auto& [line, error] : tree_lines) {
    CAPTURE(line);
    CHECK(tree_error(line) == error);
  }
  const std::vector<std::pair<std::string, std::string>> top_lines{
      {"trust: {directories: [etc]}", "f.yaml:3:23: must be an absolute path, starting with /"},
      {"trust: {directories: /etc}", "f.yaml:3:22: must be a list"},
      {"trust: {threshold: 0}", "f.yaml:3:20: must be a number from 1 to 16"},
      {"trust: {threshold: 17}", "f.yaml:3:20: must be a number from 1 to 16"},
      {"trust: [a]", "f.yaml:3:8: trust must be a map of keys and values"},
      {"watch: maybe", "f.yaml:3:8: must be one of auto, events, polling"},
      {"limits: {threads: 0}", "f.yaml:3:19: must be a number from 1 to 256"},
      {"limits: {threads: 257}", "f.yaml:3:19: must be a number from 1 to 256"},
      {"limits: {read_rate: 32MiB}", "f.yaml:3:21: must be a rate, as in 32MiB/s, or unlimited"},
      {"limits: {read_rate: 0B/s}", "f.yaml:3:21: must be a rate, as in 32MiB/s, or unlimited"},
      {"limits: {read_rate: 32/s}", "f.yaml:3:21: must be a rate, as in 32MiB/s, or unlimited"},
      {"limits: {read_rate: [1]}", "f.yaml:3:21: must be a rate, as in 32MiB/s, or unlimited"},
      {"limits: {read_ops: 1000}", "f.yaml:3:20: must be a rate, as in 1000/s, or unlimited"},
      {"limits: {read_ops: 0/s}", "f.yaml:3:20: must be a rate, as in 1000/s, or unlimited"},
      {"limits: {read_ops: 1MiB/s}", "f.yaml:3:20: must be a rate, as in 1000/s, or unlimited"},
      {"limits: {manifest_size: 1GB}", "f.yaml:3:25: must be a size, as in 512KiB, 64MiB or 1GiB"},
      {"web: {public_details: yes}", "f.yaml:3:23: must be one of true, false"},
      {"web: {listen: '0.0.0.0:1'}", "f.yaml:3:15: must be a list of ADDRESS:PORT"},
      {"log: {level: trace}", "f.yaml:3:14: must be one of debug, info, warning, error"},
  };
  for (const auto& [line, error] : top_lines) {
    CAPTURE(line);
    CHECK(top_error(line) == error);
  }
}

TEST_CASE("a tree has a name of its own, a root and a manifest") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "f.yaml: no trees: there is nothing to check"},
      {"watch: auto\n", "f.yaml: no trees: there is nothing to check"},
      {"trees: []\n", "f.yaml: no trees: there is nothing to check"},
      {"trees: {name: a}\n", "f.yaml:1:8: trees must be a list"},
      {"[a]\n", "f.yaml:1:1: the configuration must be a map of keys and values"},
      {"trees:\n  - a\n", "f.yaml:2:5: a tree must be a map of keys and values"},
      {"trees:\n  - root: /r\n    manifest: /m\n", "f.yaml:2:5: a tree without a name"},
      {"trees:\n  - name: a\n    manifest: /m\n", "f.yaml:2:5: the tree 'a' has no root"},
      {"trees:\n  - name: a\n    root: /r\n", "f.yaml:2:5: the tree 'a' has no manifest"},
      {"trees:\n  - {name: a, root: r, manifest: /m}\n", "f.yaml:2:21: must be an absolute path, starting with /"},
      {"trees:\n  - {name: a, root: \"/r\\0x\", manifest: /m}\n", "f.yaml:2:21: must not hold a NUL"},
      {"trees:\n  - {name: a/b, root: /r, manifest: /m}\n", "f.yaml:2:12: must be 1 to 64 of A-Z a-z 0-9 . _ -"},
      {std::string(kTree) + "  - {name: a, root: /x, manifest: /y}\n", "f.yaml:3:5: a second tree with the name 'a'"},
  };
  for (const auto& [text, error] : cases) {
    CAPTURE(text);
    CHECK(error_of(text) == error);
  }
}

TEST_CASE("durations, sizes and rates have a number and a unit, and no more") {
  const ConfigValues values{"f.yaml"};
  const auto node = [](const std::string& text) {
    YamlNode made;
    made.kind = YamlNode::Kind::scalar;
    made.scalar = text;
    return made;
  };
  const auto duration = [&](const std::string& text) {
    seconds target{};
    return values.duration(node(text), target) ? target.count() : -1;
  };
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::int64_t>>{
           {"1s", 1},
           {"90s", 90},
           {"30m", 1800},
           {"24h", 86400},
           {"7d", 604800},
           {"366d", 31'622'400},
           {"367d", -1},
           {"0d", -1},
           {"", -1},
           {"s", -1},
           {"1", -1},
           {"1.5h", -1},
           {"-1s", -1},
           {"+1s", -1},
           {" 1s", -1},
           {"1s ", -1},
           {"1 s", -1},
           {"1S", -1},
           {"01s", -1},
           {"1h30m", -1},
           {"1w", -1},
           {"1ms", -1},
           {"99999999999999999999s", -1},
           {"213503982334602d", -1},  // overflows 64 bits as seconds
       }) {
    CAPTURE(text);
    CHECK(duration(text) == expected);
  }
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::uint64_t>>{
           {"1B", 1},
           {"1023B", 1023},
           {"1KiB", 1024},
           {"64MiB", 64ULL << 20U},
           {"3GiB", 3ULL << 30U},
           {"2TiB", 2ULL << 40U},
           {"1", 0},
           {"1K", 0},
           {"1kB", 0},
           {"1kib", 0},
           {"0B", 0},
           {"KiB", 0},
           {"16777215TiB", 16'777'215ULL << 40U},
           {"16777216TiB", 0},
           {"1 B", 0},
           {"1B/s", 0},
       }) {
    CAPTURE(text);
    std::size_t size = 0;
    CHECK(values.size(node(text), size).has_value() == (expected != 0));
    CHECK(size == expected);
    std::optional<std::uint64_t> rate;
    CHECK(values.byte_rate(node(text + "/s"), rate).has_value() == (expected != 0));
    CHECK(rate.value_or(0) == expected);
  }
}

TEST_CASE("a rate may be unlimited") {
  const LimitsConfig limits =
      parse(kTree + std::string("limits: {read_rate: unlimited, read_ops: unlimited}\n")).limits;
  CHECK_FALSE(limits.periodic_scans.any());
}

TEST_CASE("addresses to listen on") {
  struct Case {
    std::string text;
    std::vector<Endpoint> endpoints;
  };
  for (const Case& one : {
           Case{"['0.0.0.0:9747']", {{"0.0.0.0", 9747}}},
           Case{"['[::1]:1', '127.0.0.1:65535']", {{"::1", 1}, {"127.0.0.1", 65535}}},
           Case{"[]", {}},
       }) {
    CAPTURE(one.text);
    CHECK(parse(kTree + ("web: {listen: " + one.text + "}\n")).listen == one.endpoints);
  }
  for (const char* text : {"9747", "':9747'", "'[]:9747'", "'0.0.0.0'", "'0.0.0.0:'", "'0.0.0.0:0'", "'0.0.0.0:65536'",
                           "'0.0.0.0:01'", "'0.0.0.0:http'", "'0.0.0.0:-1'", "[a]", "''", "~"}) {
    CAPTURE(text);
    CHECK(error_of(kTree + ("web: {listen: [" + std::string(text) + "]}\n")) ==
          "f.yaml:3:16: must be ADDRESS:PORT, as in \"0.0.0.0:9747\" or \"[::1]:9747\"");
  }
}

TEST_CASE("metric labels are such as Prometheus takes") {
  for (const char* good : {"a", "_a", "A9_", "team", "le"}) CHECK(is_metric_label(good));
  for (const char* bad : {"", "9", "a-b", "a b", "__a", "tree", "\xc3\xa9", "a.b", "a:b"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_metric_label(bad));
  }
}

TEST_CASE("the nearest known name is a likely slip or nothing") {
  const std::vector<std::string_view> known{"threads", "read_rate", "keys"};
  for (const auto& [name, near] : std::vector<std::pair<std::string, std::string>>{
           {"thread", "threads"},
           {"treads", "threads"},
           {"readrate", "read_rate"},
           {"read-rate", "read_rate"},
           {"key", "keys"},
           {"kyes", "keys"},
           {"", ""},
           {"threshold", ""},
           {"x", ""},
           {"k", ""},
       }) {
    CAPTURE(name);
    CHECK(nearest(name, known) == near);
  }
}

TEST_CASE("the files of trees.d add trees, in the order of their names, and nothing else") {
  const driftd::test::TempTree tree;
  const auto load = [&] { return load_config(tree.at("driftd.yaml"), "web-3"); };
  const auto file_with = [](const std::string& name) {
    return "trees:\n  - {name: " + name + ", root: /r, manifest: /m, require: {host: '%H'}}\n";
  };
  tree.file("driftd.yaml", file_with("main"));
  CHECK(must(load()).trees.size() == 1);

  tree.dir("trees.d");
  tree.file("trees.d/20.yaml", file_with("c"));
  tree.file("trees.d/10.yaml", file_with("b"));
  tree.file("trees.d/README", "not: [yaml");
  tree.file("trees.d/.hidden.yaml", "not: [yaml");
  tree.file("trees.d/old.yaml.bak", "not: [yaml");
  tree.file("trees.d/empty.yaml", "# nothing yet\n");
  const Config config = must(load());
  std::vector<std::string> names;
  for (const TreeConfig& one : config.trees) names.push_back(one.name);
  CHECK(names == std::vector<std::string>{"main", "b", "c"});
  CHECK(config.trees[1].require == Labels{{"host", "web-3"}});

  SUBCASE("an error names its own file") {
    tree.file("trees.d/30.yaml", "trees:\n  - {name: b, root: /r, manifest: /m}\n");
    CHECK(load().error().message == tree.at("trees.d/30.yaml") + ":2:5: a second tree with the name 'b'");
    tree.file("trees.d/30.yaml", "log: {level: debug}\n");
    CHECK(load().error().message == tree.at("trees.d/30.yaml") + ":1:1: unknown key 'log'; known here: trees");
    tree.remove("trees.d/30.yaml");
    tree.link("trees.d/30.yaml", "nowhere");
    CHECK_FALSE(load().has_value());
  }
  SUBCASE("trees.d alone is enough") {
    tree.file("driftd.yaml", "log: {level: debug}\n");
    CHECK(must(load()).trees.size() == 2);
  }
  SUBCASE("something else by that name is an error") {
    tree.remove("trees.d");
    tree.file("trees.d", "");
    CHECK_FALSE(load().has_value());
  }
  SUBCASE("no file at all") {
    tree.remove("driftd.yaml");
    CHECK_FALSE(load().has_value());
  }
}
