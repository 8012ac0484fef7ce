#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/tool/identity.hpp"

/// One function a command of driftd-manifest. Results go to stdout, what a person should know beside them to stderr.
namespace driftd::manifests::tool {

struct KeygenOptions {
  std::string secret_key;
  std::string public_key;
  bool no_password = false;
  std::string password_variable;  ///< empty: ask on the terminal
};
Result<void> keygen(const KeygenOptions& options);

enum class ModePolicy { exec, exact };

struct BuildOptions {
  std::string source;
  std::string output;  ///< empty: stdout
  HeaderOptions header;
  std::vector<std::string> optional_paths;
  ModePolicy mode = ModePolicy::exec;
  std::string owner = "none";  ///< USER:GROUP, `source` or `none`
  bool blake3 = true;
  bool sha256 = true;
  unsigned threads = 0;  ///< 0: one a core
};
Result<void> build(const BuildOptions& options);

struct SignOptions {
  std::string file;
  std::string secret_key;         ///< a file, or empty
  std::string key_variable;       ///< an environment variable that holds the key file's text
  std::string password_variable;  ///< empty: ask on the terminal
};
Result<void> sign(const SignOptions& options);

Result<void> verify(const std::string& file, const std::vector<std::string>& public_keys);

Result<void> show(const std::string& file);

}  // namespace driftd::manifests::tool
