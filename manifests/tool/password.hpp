#pragma once

#include <string>
#include <string_view>

#include "manifests/error.hpp"
#include "manifests/secret_text.hpp"

namespace driftd::manifests::tool {

/// The value of an environment variable that must be set. `variable` is what was typed after `option`, which may well
/// be the secret itself: no error repeats it.
Result<SecretText> secret_from_environment(std::string_view option, const std::string& variable);

enum class Ask {
  once,   ///< for a password that exists, empty or not
  twice,  ///< for a new one, which must not be empty
};

/// From the variable where one is named by --password-env, else from the terminal without echo; an error where there is
/// none, or where whoever sits there ends the input or interrupts. The terminal is left as it was.
Result<SecretText> read_password(const std::string& variable, Ask ask);

}  // namespace driftd::manifests::tool
