#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "manifests/error.hpp"

/// One function a command of driftd-manifest. Results go to stdout, what a person should know beside them to stderr.
namespace driftd::manifests::tool {

struct KeygenOptions {
  std::string secret_key;
  std::string public_key;
  bool no_password = false;
  std::string password_variable;  ///< empty: ask on the terminal
};
Result<void> keygen(const KeygenOptions& options);

/// What a manifest says of modes: whether a file is executable, all bits, or neither.
enum class ModePolicy { exec, exact, none };

struct BuildOptions {
  std::string source = ".";  ///< a directory, an archive, or `-`: a tar stream on standard input
  std::string output;        ///< empty: stdout
  std::string name;
  std::string release;
  std::string sequence;  ///< a number, or `now`
  std::string source_url;
  std::string artifact;  ///< a file, or empty
  std::string pipeline;
  std::string expires;  ///< a duration as in 90d; empty: never
  std::vector<std::string> overrides;
  std::vector<std::string> labels;
  std::vector<std::string> mutable_globs;
  std::vector<std::string> mutable_files;
  std::vector<std::string> optional_paths;
  std::vector<std::string> generated_paths;
  std::vector<std::string> links;  ///< PATH=TARGET
  unsigned strip_components = 0;
  std::string subdir;              ///< empty: all of the source
  std::optional<ModePolicy> mode;  ///< absent: as is usual for the source
  std::string owner;               ///< USER:GROUP, `source` or `none`; empty: as is usual for the source
  bool blake3 = true;
  bool sha256 = true;
  unsigned threads = 0;  ///< 0: one a core
  bool no_progress = false;
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
