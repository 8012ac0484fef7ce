#pragma once

#include <string>

#include "manifests/error.hpp"
#include "manifests/secret_text.hpp"

namespace driftd::manifests::tool {

/// The value of an environment variable that must be set.
Result<SecretText> secret_from_environment(const std::string& variable);

enum class Ask { once, twice };

/// From the variable where one is named, else from the terminal without echo; an error where there is none.
Result<SecretText> read_password(const std::string& variable, Ask ask);

}  // namespace driftd::manifests::tool
