#include <string>

#include <doctest/doctest.h>

#include "manifests/rel_path.hpp"

using driftd::manifests::is_component;
using driftd::manifests::RelPath;

TEST_CASE("RelPath takes what lies below a root, and nothing else") {
  const std::string longest(255, 'a');
  for (const std::string& good : {std::string("a"), std::string("a/b/c"), std::string("..."), std::string(".a/..b"),
                                  std::string("a\nb/\xff"), longest + "/" + longest}) {
    CAPTURE(good);
    REQUIRE(RelPath::parse(good));
    CHECK(RelPath::parse(good)->str() == good);
  }
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("/"), std::string("/a"), std::string("a/"),
        std::string("a//b"), std::string("a/./b"), std::string("a/../b"), std::string("a\0b", 3), longest + "a"}) {
    CAPTURE(bad);
    CHECK_FALSE(RelPath::parse(bad));
  }
}

TEST_CASE("RelPath knows its parts and its place") {
  const RelPath path = *RelPath::parse("a/b/c");
  CHECK(path.name() == "c");
  CHECK(path.parent()->str() == "a/b");
  CHECK_FALSE(RelPath::of_component("a").parent());
  CHECK(RelPath::of_component("a").child("b") == *RelPath::parse("a/b"));
  CHECK(RelPath::parse("a")->is_above(path));
  CHECK_FALSE(path.is_above(path));
  CHECK_FALSE(RelPath::parse("a/b/c")->is_above(*RelPath::parse("a/b/cd")));
}
