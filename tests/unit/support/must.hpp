#pragma once

#include <stdexcept>
#include <type_traits>
#include <utility>

#include "manifests/error.hpp"

namespace driftd::test {

/// The value of a step that is not under test here; its error ends the test.
template <class Value>
Value must(manifests::Result<Value> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<Value>) return std::move(*result);
}

}  // namespace driftd::test
