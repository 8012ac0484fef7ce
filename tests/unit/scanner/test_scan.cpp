#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/skip.hpp"

using namespace driftd::scanner;
using driftd::manifests::ErrorCode;
using driftd::manifests::UniqueFd;
using driftd::test::dir_entry;
using driftd::test::file_entry;
using driftd::test::Lines;
using driftd::test::lines_of;
using driftd::test::link_entry;
using driftd::test::ScanSite;
using driftd::test::scope_of;

TEST_CASE("every kind of difference, and nothing that agrees") {
  ScanSite site;
  site.tree.dir("bin");
  site.tree.file("bin/run", "run", 0755);
  site.tree.file("bin/walk", "walk", 0755);
  site.tree.dir("etc");
  site.tree.file("etc/a", "a");
  site.tree.file("etc/b", "b");
  site.tree.file("etc/same", "same");
  site.tree.link("current", "releases/103");
  site.tree.link("stays", "there");
  site.tree.dir("gone");
  site.tree.file("gone/one", "1");
  site.tree.dir("gone/two");
  site.tree.dir("was_dir");
  site.tree.file("was_dir/x", "x");
  site.tree.file("was_file", "x");
  site.release();
  const auto all = site.entries.size() + 1;
  for (const unsigned threads : {1U, 2U, 7U}) CHECK(lines_of(site.scan_whole(threads)).empty());

  site.tree.file("bin/run", "RUN", 0755);
  site.tree.mode("bin/walk", 0644);
  site.tree.append("etc/a", "!");
  site.tree.remove("etc/b");
  site.tree.mode("etc", 0777);
  site.tree.remove("current");
  site.tree.link("current", "releases/102");
  site.tree.remove("gone");
  site.tree.remove("was_dir");
  site.tree.file("was_dir", "now a file");
  site.tree.remove("was_file");
  site.tree.dirs("was_file/a/b");
  site.tree.file("new", "");
  site.tree.dirs("new_dir/sub");
  site.tree.file("new_dir/sub/file", "");
  site.tree.mode("", 02755);
  const Lines expected{
      "metadata .",   "modified bin/run", "metadata bin/walk", "target current",
      "metadata etc", "modified etc/a",   "missing etc/b",     "missing gone +2",
      "added new",    "added new_dir +2", "type was_dir +1",   "type was_file +2",
  };
  for (const unsigned threads : {1U, 2U, 7U}) {
    CAPTURE(threads);
    const ScanResult result = site.scan_whole(threads);
    CHECK(lines_of(result) == expected);
    CHECK(result.entries == all);
    CHECK(result.scope.is_whole());
    CHECK(result.unchecked == 0);
  }
}

TEST_CASE("a missing directory names what was below it first, an added one what is") {
  ScanSite site;
  site.tree.dirs("gone/sub");
  for (int i = 10; i < 40; ++i) site.tree.file("gone/sub/" + std::to_string(i), "");
  site.release();
  site.tree.rename("gone", "new");
  const ScanResult result = site.scan_whole();
  CHECK(lines_of(result) == Lines{"missing gone +31", "added new +31"});
  for (const Finding& finding : result.findings) {
    CAPTURE(finding.path);
    REQUIRE(finding.first_below.size() == Finding::kFirstBelow);
    CHECK(finding.first_below.front() == finding.path + "/sub");
    CHECK(finding.first_below[1] == finding.path + "/sub/10");
    CHECK(finding.first_below.back() == finding.path + "/sub/18");
  }
}

TEST_CASE("what is counted: files read, bytes, and nothing where the size tells") {
  ScanSite site;
  site.tree.file("a", "12345");
  site.tree.file("b", "12345");
  site.tree.file("c", "");
  site.release();
  site.tree.append("b", "6");
  const ScanResult result = site.scan_whole();
  CHECK(result.hashed_files == 2);
  CHECK(result.hashed_bytes == 5);
  REQUIRE(result.findings.size() == 1);
  CHECK_FALSE(result.findings[0].actual.unpack().blake3);
  CHECK(result.findings[0].actual.unpack().size == 6);
}

TEST_CASE("things that no manifest lists do not stop a scan") {
  ScanSite site;
  site.tree.file("file", "x");
  site.tree.file("other", "x");
  site.tree.dir("dir");
  site.tree.link("loop", "loop");
  site.tree.link("up", "..");
  site.tree.link("a", "b");
  site.tree.link("b", "a");
  site.release();
  CHECK(lines_of(site.scan_whole()).empty());
  for (const char* name : {"file", "other", "dir"}) site.tree.remove(name);
  site.tree.fifo("file");
  site.tree.socket("other");
  site.tree.link("dir", ".");
  site.tree.fifo("new_fifo");
  site.tree.socket("new_socket");
  site.tree.link("new_loop", "new_loop");
  const ScanResult result = site.scan_whole(2);
  CHECK(lines_of(result) ==
        Lines{"type dir", "type file", "added new_fifo", "added new_loop", "added new_socket", "type other"});
  CHECK(result.findings[1].actual.unpack().type == FileType::fifo);
  CHECK(result.findings[5].actual.unpack().type == FileType::socket);
}

TEST_CASE("a change through one of several names shows at all of them") {
  ScanSite site;
  site.tree.dir("d");
  site.tree.file("d/one", "same");
  site.tree.hard_link("d/one", "two");
  site.release();
  site.tree.file("two", "SAME");
  CHECK(lines_of(site.scan_whole()) == Lines{"modified d/one", "modified two"});
}

TEST_CASE("a large directory is shared by threads, and every file is judged once") {
  ScanSite site;
  site.tree.dir("d");
  const auto name = [](int i) { return "d/" + std::to_string(1000 + i); };
  constexpr int kFiles = 800;  // more than three batches
  for (int i = 0; i < kFiles; ++i) site.tree.file(name(i), std::to_string(i));
  site.release();
  CHECK(lines_of(site.scan_whole(4)).empty());
  Lines expected;
  for (int i = 0; i < kFiles; ++i) {
    if (i % 3 == 0) {
      site.tree.file(name(i), std::string(std::to_string(i).size(), 'x'));
      expected.push_back("modified " + name(i));
    } else if (i % 3 == 1) {
      site.tree.remove(name(i));
      expected.push_back("missing " + name(i));
    }
  }
  for (const unsigned threads : {1U, 4U}) {
    const ScanResult result = site.scan_whole(threads);
    CHECK(lines_of(result) == expected);
    CHECK(result.entries == kFiles + 2);
  }
}

TEST_CASE("hostile names are names") {
  ScanSite site;
  const std::vector<std::string> names{
      "new\nline",
      "\x1b[2J",
      "\xff\xfe",
      "\xc0\xaf",
      "tab\t",
      " ",
      "-rf",
      "*",
      "[a-z]",
      "back\\slash",
      "\\012",
      "\"quoted\"",
      "...",
      "..data",
      "\x01",
      "\x7f",
      std::string(255, 'n'),
      std::string(255, '\n'),
      "\u202etxt",
      "a=b",
      "#mtree v2.0",
  };
  for (const std::string& name : names) {
    site.tree.dir(name);
    site.tree.file(name + "/" + name, "x");
  }
  site.release();
  CHECK(lines_of(site.scan_whole(2)).empty());
  CHECK(site.scan_whole().entries == 1 + 2 * names.size());

  std::set<std::string> expected;
  for (const std::string& name : names) {
    site.tree.file(name + "/" + name, "y");
    site.tree.file(name + "/" + name.substr(0, 200) + "+", "");
    expected.insert("modified " + name + "/" + name);
    expected.insert("added " + name + "/" + name.substr(0, 200) + "+");
  }
  const Lines found = lines_of(site.scan_whole(2));
  CHECK(std::set(found.begin(), found.end()) == expected);
  CHECK(found.size() == expected.size());
}

TEST_CASE("an added directory deeper than any path can name is counted whole") {
  ScanSite site;
  site.release();
  const std::string component(250, 'd');
  UniqueFd at(::open(site.tree.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  constexpr int kDepth = 40;
  for (int depth = 0; depth < kDepth; ++depth) {
    REQUIRE(::mkdirat(at.get(), component.c_str(), 0755) == 0);
    at = UniqueFd(::openat(at.get(), component.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  CHECK(lines_of(site.scan_whole()) == Lines{"added " + component + " +" + std::to_string(kDepth - 1)});
}

TEST_CASE("the root may be a link, and must be there") {
  ScanSite site;
  site.tree.dirs("releases/103");
  site.tree.file("releases/103/a", "x");
  site.tree.link("current", "releases/103");
  site.tree.file("file", "");
  site.entries = {{"a", file_entry("x")}};
  ScanPlan plan = site.plan();
  for (const auto& [root, works] :
       {std::pair("current", true), {"releases/103", true}, {"releases/102", false}, {"file", false}}) {
    CAPTURE(root);
    plan.root = site.tree.at(root);
    const auto result = scan(plan, Scope::whole(), {.threads = 2, .throttle = nullptr}, {});
    CHECK(result.has_value() == works);
    if (works) {
      CHECK(lines_of(*result).empty());
    } else {
      CHECK(result.error().code == ErrorCode::io);
    }
  }
}

TEST_CASE("what cannot be read is unverified, with all below, and the rest is judged") {
  if (!driftd::test::is_root()) return driftd::test::skip("needs root");
  ScanSite site;
  site.tree.dirs("secret/sub");
  site.tree.file("secret/sub/a", "x");
  site.tree.file("secret/b", "x");
  site.tree.file("key", "x");
  site.tree.file("open", "x");
  site.tree.dirs("listable/sub");
  site.tree.file("listable/file", "x");
  site.release();
  const auto all = site.entries.size() + 1;
  site.tree.mode("secret", 0700);
  site.tree.mode("key", 0600);
  site.tree.mode("listable", 0744);  // names can be read, but nothing of them
  site.tree.file("open", "y");
  const ScanPlan plan = site.plan();
  const auto as_text = [&](const Scope& scope, unsigned threads) -> std::string {
    const ScanResult result = driftd::test::must(scan(plan, scope, {.threads = threads, .throttle = nullptr}, {}));
    if (scope.is_whole() && result.entries != all) return std::to_string(result.entries) + " entries";
    std::string text;
    for (const std::string& line : lines_of(result)) text += line + "\n";
    return text;
  };
  const std::string everything =
      "modified open\nunverified key permission\nunverified listable/file permission\n"
      "unverified listable/sub permission\nunverified secret permission +3\n";
  for (const unsigned threads : {1U, 3U}) {
    CHECK(driftd::test::as_nobody([&] { return as_text(Scope::whole(), threads); }) == everything);
  }
  Scope below;
  below.add(*driftd::manifests::RelPath::parse("secret/sub/a"));
  below.add(*driftd::manifests::RelPath::parse("listable/none"));
  CHECK(driftd::test::as_nobody([&] { return as_text(below, 1); }) ==
        "unverified listable/none permission\nunverified secret permission +3\n");
  site.tree.mode("", 0700);
  CHECK(driftd::test::as_nobody([&] { return as_text(Scope::whole(), 1); }) ==
        "unverified . permission +" + std::to_string(all - 1) + "\n");
}

TEST_CASE("a mount in the tree is unverified, whatever it hides") {
  if (!driftd::test::is_root()) return driftd::test::skip("needs root");
  ScanSite site;
  site.tree.dir("d");
  site.tree.file("d/file", "x");
  site.tree.file("f", "x");
  site.tree.file("other", "x");
  site.release();
  site.tree.dir("new");
  const ScanPlan plan = site.plan();
  const std::string said = driftd::test::with_own_mounts([&]() -> std::string {
    const auto bind = [&](const char* from, const char* to) {
      return ::mount(site.tree.at(from).c_str(), site.tree.at(to).c_str(), nullptr, MS_BIND, nullptr) == 0;
    };
    if (!bind("d", "d") || !bind("other", "f") || !bind("d", "new")) return "no bind mounts";
    std::string text;
    for (const unsigned threads : {1U, 2U}) {
      const ScanResult result =
          driftd::test::must(scan(plan, Scope::whole(), {.threads = threads, .throttle = nullptr}, {}));
      for (const std::string& line : lines_of(result)) text += line + "\n";
    }
    return text;
  });
  const std::string once = "unverified d mount +1\nunverified f mount\nunverified new mount\n";
  CHECK(said == once + once);
}

TEST_CASE("a stopped scan says nothing about the tree") {
  ScanSite site;
  site.tree.file("a", std::string(1000, 'x'));
  site.tree.file("b", std::string(1000, 'x'));
  site.release();
  std::stop_source stop;
  SUBCASE("before it begins") {
    stop.request_stop();
    for (const unsigned threads : {1U, 3U}) {
      const auto result =
          scan(site.plan(), Scope::whole(), {.threads = threads, .throttle = nullptr}, stop.get_token());
      REQUIRE_FALSE(result.has_value());
      CHECK(result.error().code == ErrorCode::io);
    }
  }
  SUBCASE("while it waits for its allowance") {
    const auto start = std::chrono::steady_clock::now();
    std::jthread stopping([&] { stop.request_stop(); });
    const auto throttle = std::make_shared<Throttle>(driftd::scanner::ReadLimits{1, {}});  // a thousand seconds a file
    const auto result = scan(site.plan(), Scope::whole(), {.threads = 2, .throttle = throttle}, stop.get_token());
    CHECK_FALSE(result.has_value());
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
  }
}

TEST_CASE("manifests with SHA-256 alone are checked by it") {
  ScanSite site;
  site.tree.file("a", "hello");
  site.tree.file("b", "hello");
  site.release();
  for (auto& [path, entry] : site.entries) entry.blake3.reset();
  CHECK(lines_of(site.scan_whole()).empty());
  site.tree.file("b", "hellO");
  const ScanResult result = site.scan_whole();
  CHECK(lines_of(result) == Lines{"modified b"});
  CHECK(result.findings[0].actual.unpack().sha256 == driftd::test::sha256_of("hellO"));
}
