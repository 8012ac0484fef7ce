#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "manifests/secret_text.hpp"

using driftd::manifests::SecretText;

TEST_CASE("secret text holds any bytes and starts with zeros") {
  CHECK((SecretText(std::size_t{5}).view() == std::string(5, '\0')));
  CHECK(SecretText(std::size_t{0}).view().empty());
  CHECK(SecretText("").view().empty());
  const std::string bytes("a\0b\xff", 4);
  SecretText text(bytes);
  CHECK((text.view() == bytes));
  text.data()[1] = 'x';
  CHECK((text.view() == "axb\xff"));
  text.truncate(2);
  CHECK(text.size() == 2);
  CHECK((text.view() == "ax"));
  const SecretText moved = std::move(text);
  CHECK((moved.view() == "ax"));
}
