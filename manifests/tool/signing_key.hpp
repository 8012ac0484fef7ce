#pragma once

#include <string_view>

#include "manifests/error.hpp"
#include "manifests/minisign.hpp"
#include "manifests/secret_text.hpp"
#include "manifests/tool/commands.hpp"

/// The key that signs, from wherever the command line says that it is. No error shows any of it, nor what was typed
/// where a key or a variable's name was wanted.
namespace driftd::manifests::tool {

/// A secret key file's text as CI systems pass it on, made into the file's text again: CR LF line ends, no final line
/// end, or the base64 line alone, since GitLab masks no variable with spaces or line ends in it.
SecretText key_file_text(std::string_view variable);

/// Asks for a password only where the key has one.
Result<minisign::SecretKey> load_signing_key(const SignOptions& options);

}  // namespace driftd::manifests::tool
