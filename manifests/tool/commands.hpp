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

/// What a manifest says of modes: whether a file is executable, all bits, or neither.
enum class ModePolicy { exec, exact, none };

struct BuildOptions {
  std::string source = ".";  ///< a directory, an archive, or `-`: a tar stream on standard input
  std::string output;        ///< empty: stdout
  HeaderOptions header;
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

/// Whose signatures count, and how many different keys it takes.
struct TrustOptions {
  std::vector<std::string> public_keys;  ///< files
  unsigned threshold = 1;
};

struct VerifyOptions {
  std::string file;
  TrustOptions trust;
};
Result<void> verify(const VerifyOptions& options);

struct RelabelOptions {
  std::string file;
  std::string output;  ///< empty: stdout
  TrustOptions trust;
  IdentityOptions identity;
};
/// The same content, mutable rules and origin under a new identity, whose sequence must be higher.
Result<void> relabel(const RelabelOptions& options);

enum class Format { table, json };

struct ShowOptions {
  std::string file;
  Format format = Format::table;
};
Result<void> show(const ShowOptions& options);

struct DiffOptions {
  std::string before;
  std::string after;
  Format format = Format::table;
};
enum class Comparison { same, differs };
/// Compares content: two manifests of the same content are the same, whatever their headers say.
Result<Comparison> diff(const DiffOptions& options);

enum class ExportFormat { sha256sums, json };

struct ExportOptions {
  std::string file;
  ExportFormat format = ExportFormat::json;
};
/// For `sha256sum -c`, or as show() does in JSON. What the former cannot hold is told on stderr.
Result<void> export_manifest(const ExportOptions& options);

enum class ImportFormat { mtree, sha256sums };

struct ImportOptions {
  std::string file = "-";  ///< `-`: standard input
  std::string output;      ///< empty: stdout
  ImportFormat format = ImportFormat::mtree;
  bool keep_mode = true;  ///< else only whether a file is executable
  bool keep_owner = true;
  HeaderOptions header;
};
/// A canonical manifest, yet to be signed, of what a list in another format says.
Result<void> import_list(const ImportOptions& options);

}  // namespace driftd::manifests::tool
