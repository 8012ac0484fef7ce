#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "scanner/accounts.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::scanner::Accounts;

TEST_CASE("names and numbers, both ways") {
  const Accounts accounts = Accounts::parse("root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:34::/:\nlast:x:7",
                                            "root:x:0:\nadm:x:4:syslog,web\n");
  CHECK(accounts.uid("root") == 0);
  CHECK(accounts.uid("www-data") == 33);
  CHECK(accounts.uid("last") == 7);
  CHECK(accounts.gid("adm") == 4);
  CHECK(accounts.user(33) == "www-data");
  CHECK(accounts.group(4) == "adm");
  CHECK_FALSE(accounts.uid("adm"));
  CHECK_FALSE(accounts.gid("www-data"));
  CHECK_FALSE(accounts.user(34));
  CHECK_FALSE(accounts.group(1));
}

TEST_CASE("as for the C library, the first line with a name or a number decides") {
  const Accounts accounts = Accounts::parse("toor:x:0:0::/:\nroot:x:0:0::/:\ntoor:x:5:5::/:\n", "");
  CHECK(accounts.uid("toor") == 0);
  CHECK(accounts.uid("root") == 0);
  CHECK(accounts.user(0) == "toor");
}

TEST_CASE("lines that are no accounts give no names") {
  for (const std::string line :
       {"", ":x:1:1", "name", "name:x", "name:x:", "name:x::1", "name:x:-1:1", "name:x:+1:1", "name:x: 1:1",
        "name:x:1x:1", "name:x:0x10:1", "name:x:4294967296:1", "+::::::", "+name"}) {
    CAPTURE(line);
    const Accounts accounts = Accounts::parse(line + "\nok:x:4294967295:1\n", line + "\n");
    CHECK_FALSE(accounts.uid("name"));
    CHECK_FALSE(accounts.gid("name"));
    CHECK_FALSE(accounts.uid(""));
    CHECK_FALSE(accounts.uid("+"));
    CHECK(accounts.uid("ok") == 4294967295U);
  }
}

TEST_CASE("a file that does not exist holds no names; one that cannot be read is an error") {
  const driftd::test::TempTree tree;
  tree.file("passwd", "web:x:1000:1000::/:\n");
  tree.dir("directory");
  const Accounts accounts = driftd::test::must(Accounts::load(tree.at("passwd"), tree.at("none")));
  CHECK(accounts.uid("web") == 1000);
  CHECK_FALSE(accounts.gid("web"));
  CHECK_FALSE(Accounts::load(tree.at("directory"), tree.at("none")).has_value());
  CHECK_FALSE(Accounts::load(tree.at("passwd"), tree.at("directory")).has_value());
}
