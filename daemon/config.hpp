#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/signed_file.hpp"
#include "scanner/throttle.hpp"

namespace driftd::daemon {

inline constexpr const char* kDefaultConfig = "/etc/driftd/driftd.yaml";
inline constexpr const char* kDefaultStateDirectory = "/var/lib/driftd";
inline constexpr const char* kDefaultRunDirectory = "/run/driftd";

using Labels = std::vector<std::pair<std::string, std::string>>;

/// One tree to check. Paths are absolute.
struct TreeConfig {
  std::string name;
  std::string root;
  std::string manifest;
  std::string manifest_name;
  Labels require;                 ///< signed labels that must be there
  std::vector<std::string> keys;  ///< names of trusted keys; empty: all
  std::uint64_t min_sequence = 0;
  bool report_additions = true;
  std::chrono::seconds quick_scan{};  ///< 30 min with events, 5 min while polling, unless set
  bool quick_scan_is_set = false;
  std::chrono::seconds full_scan{std::chrono::hours(24)};
  /// How long a path may stay as the release before has it, once a new manifest is in force.
  std::chrono::seconds deploy_window{std::chrono::minutes(10)};
  /// How long drift has to stay before somebody is told of it, beyond the metrics. 0: at once.
  std::chrono::seconds notify_after{60};
  Labels labels;  ///< onto the metric driftd_tree_info

  friend bool operator==(const TreeConfig&, const TreeConfig&) = default;
};

struct TrustConfig {
  std::vector<std::string> directories{"/usr/lib/driftd/trust.d", "/etc/driftd/trust.d"};
  unsigned threshold = 1;

  friend bool operator==(const TrustConfig&, const TrustConfig&) = default;
};

enum class WatchMode { automatic, events, polling };

struct LimitsConfig {
  unsigned threads = 2;
  scanner::ReadLimits periodic_scans{std::uint64_t{32} << 20U, 1000};
  std::size_t manifest_size = manifests::kDefaultManifestLimit;
};

/// An address to listen on.
struct Endpoint {
  std::string address;
  std::uint16_t port = 0;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

enum class LogLevel { debug, info, warning, error };

struct Config {
  /// Directories: what the configuration says, else what the service manager set, else the default.
  std::string state_directory;
  std::string run_directory;
  std::vector<TreeConfig> trees;
  TrustConfig trust;
  WatchMode watch = WatchMode::automatic;
  LimitsConfig limits;
  std::vector<Endpoint> listen{{"0.0.0.0", 9747}};
  bool public_details = false;  ///< whoever reaches these may see paths and who changed them
  LogLevel log_level = LogLevel::info;
};

/// A file of a configuration.
struct ConfigFile {
  std::string path;
  std::string text;
};

/// Before a file is read.
using OnConfigFile = std::function<void(const std::string& path)>;

/// The file, and the `trees.d/*.yaml` beside it. Asks their file system, so it may hang.
manifests::Result<std::vector<ConfigFile>> read_config(const std::string& file, const OnConfigFile& on_file = {});

/// Of what read_config() gives. The `trees.d/*.yaml` add trees. Everything unknown, repeated or of the wrong
/// type is an error that starts with file:line:column and, where something near is known, suggests it. `host` stands
/// for %H in required labels.
manifests::Result<Config> parse_config(const std::vector<ConfigFile>& files, const std::string& host);
/// Both.
manifests::Result<Config> load_config(const std::string& file, const std::string& host);

/// The run directory of a daemon whose configuration does not name one.
std::string usual_run_directory();

/// The same for one text; `file` is for messages.
manifests::Result<Config> parse_config(const std::string& text, const std::string& file, const std::string& host);

}  // namespace driftd::daemon
