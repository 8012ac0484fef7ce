#include <memory>
#include <string>

#include <boost/json/serialize.hpp>
#include <doctest/doctest.h>

#include "daemon/evidence_forms.hpp"
#include "manifests/escape.hpp"
#include "tests/unit/support/golden.hpp"

using driftd::daemon::evidence_line;
using driftd::daemon::evidence_object;
using driftd::daemon::evidence_rows;
using driftd::daemon::read_stored_evidence;
using driftd::daemon::stored_evidence;
using driftd::scanner::Evidence;
using driftd::scanner::PathEvidence;

namespace {

Evidence full() {
  Evidence who;
  who.pid = 4711;
  who.started = 987654;
  who.name = "vim.tiny";
  who.executable = "/usr/bin/vim.tiny";
  who.arguments = {"vim", "config/settings.py"};
  who.uid = 0;
  who.user = "root";
  who.login_uid = 1000;
  who.login_user = "alice";
  who.session = 3;
  who.terminal = "pts/0";
  who.client = "192.0.2.7";
  who.unit = "session-3.scope";
  who.parents = {{4700, "bash"}, {4690, "sshd"}};
  return who;
}

Evidence hostile() {
  Evidence who = full();
  who.name = "vi\x1b[2J\xff";
  who.executable = "/tmp/\n\xe2\x80\xae";
  who.arguments = {"a\rb", "\xff"};
  who.arguments_cut = true;
  who.user.clear();
  who.login_uid.reset();
  who.login_user.clear();
  who.session.reset();
  who.container = std::string(64, 'c');
  who.parents.front().name = "\xff\n";
  who.parents_cut = true;
  return who;
}

/// What it calls itself would say that alice did it.
Evidence liar() {
  Evidence who = full();
  who.name = "x), alice";
  who.executable = "/tmp/sh (pid 1), root \"";
  who.arguments = {"a b", "", "$(c)"};
  who.unit = "cron.service, login alice";
  who.parents.front().name = "(sd-pam)";
  return who;
}

/// A service that root started.
Evidence service() {
  Evidence who = full();
  who.uid = 33;
  who.user = "www-data";
  who.uid_in_doubt = true;
  return who;
}

PathEvidence known(Evidence who, bool several = false) {
  return {std::make_shared<const Evidence>(std::move(who)),
          1'763'720'000,
          several,
          {64'768, 0xffff'ffff'0000'0001, 1'763'720'000'000'000'001},
          PathEvidence::Changed{{1'763'720'000, 1}, {1'763'720'000, 999'999'999}}};
}

std::string shown(const PathEvidence& evidence) {
  std::string text = "line: " + evidence_line(evidence) + "\n";
  for (const auto& [name, row] : evidence_rows(evidence)) text += "row " + name + ": " + row + "\n";
  return text + driftd::manifests::escape_json(boost::json::serialize(evidence_object(evidence))) + "\n";
}

}  // namespace

TEST_CASE("evidence as it is shown") {
  std::string text = shown(known(full())) + "\n" + shown(known(hostile(), true)) + "\n";
  text += shown(known(liar())) + "\n" + shown(known(service())) + "\n";
  text += shown(known(Evidence{})) + "\n" + shown(PathEvidence{nullptr, 1'763'720'000, true});
  driftd::test::check_golden("evidence.txt", text);
}

TEST_CASE("evidence is kept whole") {
  for (const PathEvidence& one :
       {known(full()), known(hostile(), true), known(service()), known(Evidence{}), PathEvidence{nullptr, 5, true}}) {
    const auto again = read_stored_evidence(stored_evidence(one));
    REQUIRE(again);
    CHECK(again->at == one.at);
    CHECK(again->several == one.several);
    CHECK(again->file == one.file);
    CHECK(again->changed == one.changed);
    REQUIRE((again->last != nullptr) == (one.last != nullptr));
    if (one.last) CHECK(*again->last == *one.last);
  }
}

TEST_CASE("which file system it was is not known after another start of the host") {
  std::string bytes = stored_evidence(known(full()));
  const std::size_t boot = bytes.find("\"boot\":\"");
  REQUIRE(boot != std::string::npos);
  bytes.replace(boot + 8, 8, "00000000");
  const auto again = read_stored_evidence(bytes);
  REQUIRE(again);
  CHECK(again->file == driftd::scanner::FileId{0, known(full()).file.inode, known(full()).file.born});
}
