#include "daemon/config.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string_view>
#include <utility>

#include "daemon/config_values.hpp"
#include "daemon/yaml_tree.hpp"
#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/manifest.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::daemon {
namespace {

using manifests::Result;

constexpr std::size_t kMaxConfigFile = 4 * 1024 * 1024;

/// A key of a map, and what takes its value.
struct Key {
  std::string_view name;
  std::function<Result<void>(const YamlNode&)> take;
};

/// One file on its way into a Config.
class Reader {
 public:
  Reader(std::string file, std::string host) : file_(std::move(file)), values_{file_}, host_(std::move(host)) {}

  Result<void> read(const YamlNode& root, Config& config) {
    return read_map(
        root, "the configuration",
        {
            {"state_directory",
             [&](const YamlNode& node) { return values_.absolute_path(node, config.state_directory); }},
            {"run_directory", [&](const YamlNode& node) { return values_.absolute_path(node, config.run_directory); }},
            {"trees", [&](const YamlNode& node) { return read_trees(node, config.trees); }},
            {"trust", [&](const YamlNode& node) { return read_trust(node, config.trust); }},
            {"watch",
             [&](const YamlNode& node) {
               return values_.choice(
                   node, config.watch,
                   {{"auto", WatchMode::automatic}, {"events", WatchMode::events}, {"polling", WatchMode::polling}});
             }},
            {"limits", [&](const YamlNode& node) { return read_limits(node, config.limits); }},
            {"web", [&](const YamlNode& node) { return read_web(node, config); }},
            {"log", [&](const YamlNode& node) { return read_log(node, config.log_level); }},
        });
  }

  /// For the files of trees.d, which may hold trees and nothing else.
  Result<void> read_trees_only(const YamlNode& root, Config& config) {
    return read_map(root, "a file of trees.d",
                    {{"trees", [&](const YamlNode& node) { return read_trees(node, config.trees); }}});
  }

 private:
  Result<void> read_map(const YamlNode& node, std::string_view what, const std::vector<Key>& keys) {
    if (node.kind == YamlNode::Kind::null) return {};
    if (node.kind != YamlNode::Kind::map)
      return values_.error(node, std::string(what) + " must be a map of keys and values");
    for (const YamlPair& pair : node.pairs) {
      const auto key =
          std::find_if(keys.begin(), keys.end(), [&](const Key& one) { return one.name == pair.key.scalar; });
      if (key == keys.end()) return unknown_key(pair.key, keys);
      if (auto taken = key->take(pair.value); !taken) return taken;
    }
    return {};
  }

  Result<void> unknown_key(const YamlNode& name, const std::vector<Key>& keys) {
    std::vector<std::string_view> known;
    for (const Key& key : keys) known.push_back(key.name);
    std::string message = "unknown key '" + manifests::escape(name.scalar) + "'";
    if (const auto near = nearest(name.scalar, known); !near.empty()) {
      message += "; did you mean '" + std::string(near) + "'?";
    } else {
      message += "; known here:";
      for (const std::string_view one : known) message.append(one == known.front() ? " " : ", ").append(one);
    }
    return values_.error(name, message);
  }

  Result<void> read_trees(const YamlNode& node, std::vector<TreeConfig>& trees) {
    if (node.kind != YamlNode::Kind::sequence) return values_.error(node, "trees must be a list");
    for (const YamlNode& item : node.items) {
      TreeConfig tree;
      if (auto taken = read_tree(item, tree); !taken) return taken;
      const auto same =
          std::find_if(trees.begin(), trees.end(), [&](const auto& one) { return one.name == tree.name; });
      if (same != trees.end()) return values_.error(item, "a second tree with the name '" + tree.name + "'");
      trees.push_back(std::move(tree));
    }
    return {};
  }

  Result<void> read_tree(const YamlNode& node, TreeConfig& tree) {
    const auto product_name = [this](std::string& target) {
      return [this, &target](const YamlNode& value) -> Result<void> {
        if (auto taken = values_.text(value, target); !taken) return taken;
        if (!manifests::is_product_name(target)) return values_.error(value, "must be 1 to 64 of A-Z a-z 0-9 . _ -");
        return {};
      };
    };
    auto taken = read_map(
        node, "a tree",
        {
            {"name", product_name(tree.name)},
            {"root", [&](const YamlNode& value) { return values_.absolute_path(value, tree.root); }},
            {"manifest", [&](const YamlNode& value) { return values_.absolute_path(value, tree.manifest); }},
            {"manifest_name", product_name(tree.manifest_name)},
            {"require", [&](const YamlNode& value) { return read_labels(value, tree.require); }},
            {"keys", [&](const YamlNode& value) { return values_.texts(value, tree.keys); }},
            {"min_sequence",
             [&](const YamlNode& value) { return values_.number(value, tree.min_sequence, 0, UINT64_MAX); }},
            {"additions",
             [&](const YamlNode& value) {
               return values_.choice(value, tree.report_additions, {{"report", true}, {"ignore", false}});
             }},
            {"quick_scan",
             [&](const YamlNode& value) {
               tree.quick_scan_is_set = true;
               return values_.duration(value, tree.quick_scan);
             }},
            {"full_scan", [&](const YamlNode& value) { return values_.duration(value, tree.full_scan); }},
            {"deploy_window", [&](const YamlNode& value) { return values_.duration(value, tree.deploy_window); }},
            {"notify_after", [&](const YamlNode& value) { return values_.duration_or_none(value, tree.notify_after); }},
            {"labels", [&](const YamlNode& value) { return read_metric_labels(value, tree.labels); }},
        });
    if (!taken) return taken;
    if (tree.name.empty()) return values_.error(node, "a tree without a name");
    if (tree.root.empty()) return values_.error(node, "the tree '" + tree.name + "' has no root");
    if (tree.manifest.empty()) return values_.error(node, "the tree '" + tree.name + "' has no manifest");
    if (tree.manifest_name.empty()) tree.manifest_name = tree.name;
    return {};
  }

  Result<void> read_labels(const YamlNode& node, Labels& labels) {
    if (node.kind != YamlNode::Kind::map) return values_.error(node, "must be a map of labels and values");
    for (const auto& [name, value] : node.pairs) {
      std::string text;
      if (auto taken = values_.text(value, text); !taken) return taken;
      for (std::size_t at = 0; (at = text.find('%', at)) != std::string::npos;) {
        const char specifier = at + 1 < text.size() ? text[at + 1] : '\0';
        if (specifier != 'H' && specifier != '%')
          return values_.error(value, "only %H (this host's name) and %% are known");
        const std::string meaning = specifier == 'H' ? host_ : "%";
        text.replace(at, 2, meaning);
        at += meaning.size();
      }
      labels.emplace_back(name.scalar, std::move(text));
    }
    return {};
  }

  Result<void> read_metric_labels(const YamlNode& node, Labels& labels) {
    if (auto taken = read_labels(node, labels); !taken) return taken;
    for (const auto& [name, value] : node.pairs) {
      if (!is_metric_label(name.scalar)) {
        return values_.error(name, "'" + manifests::escape(name.scalar) +
                                       "' cannot be a Prometheus label here: letters, digits "
                                       "and _, not first a digit, not 'tree', not starting with __");
      }
    }
    return {};
  }

  Result<void> read_trust(const YamlNode& node, TrustConfig& trust) {
    return read_map(node, "trust",
                    {
                        {"directories",
                         [&](const YamlNode& value) {
                           trust.directories.clear();
                           return values_.absolute_paths(value, trust.directories);
                         }},
                        {"threshold",
                         [&](const YamlNode& value) {
                           std::uint64_t number = 0;
                           auto taken = values_.number(value, number, 1, 16);
                           trust.threshold = static_cast<unsigned>(number);
                           return taken;
                         }},
                    });
  }

  Result<void> read_limits(const YamlNode& node, LimitsConfig& limits) {
    return read_map(
        node, "limits",
        {
            {"threads",
             [&](const YamlNode& value) {
               std::uint64_t number = 0;
               auto taken = values_.number(value, number, 1, 256);
               limits.threads = static_cast<unsigned>(number);
               return taken;
             }},
            {"read_rate",
             [&](const YamlNode& value) { return values_.byte_rate(value, limits.periodic_scans.bytes_per_second); }},
            {"read_ops",
             [&](const YamlNode& value) { return values_.rate(value, limits.periodic_scans.reads_per_second); }},
            {"manifest_size", [&](const YamlNode& value) { return values_.size(value, limits.manifest_size); }},
        });
  }

  Result<void> read_web(const YamlNode& node, Config& config) {
    return read_map(node, "web",
                    {
                        {"listen",
                         [&](const YamlNode& value) {
                           config.listen.clear();
                           return values_.endpoints(value, config.listen);
                         }},
                        {"public_details",
                         [&](const YamlNode& value) {
                           return values_.choice(value, config.public_details, {{"true", true}, {"false", false}});
                         }},
                    });
  }

  Result<void> read_log(const YamlNode& node, LogLevel& level) {
    return read_map(node, "log", {{"level", [&](const YamlNode& value) {
                                     return values_.choice(value, level,
                                                           {{"debug", LogLevel::debug},
                                                            {"info", LogLevel::info},
                                                            {"warning", LogLevel::warning},
                                                            {"error", LogLevel::error}});
                                   }}});
  }

  std::string file_;
  ConfigValues values_;
  std::string host_;
};

/// Says how to go on, for whoever types a command for the first time or mistypes one.
manifests::Error no_config(const std::string& file) {
  const std::string what = file == kDefaultConfig
                               ? "there is no configuration; name one with --config"
                               : std::string(
                                     "No such file or directory; name a configuration that is there with "
                                     "--config (default ") +
                                     kDefaultConfig + ")";
  return {manifests::ErrorCode::io,
          manifests::escape(file) + ": " + what +
              ", or check a tree without one: driftd check --root DIR --manifest FILE --trust KEY.pub"};
}

Result<ConfigFile> read_one(const std::string& file, const OnConfigFile& on_file) {
  if (on_file) on_file(file);
  auto text = manifests::read_file(file, kMaxConfigFile);
  if (text) return ConfigFile{file, std::move(*text)};
  manifests::Error error = text.error();
  if (::access(file.c_str(), R_OK) != 0 && errno == EACCES && ::geteuid() != 0) error.message += "; run this as root";
  return error;
}

Result<std::vector<std::string>> tree_files(const std::filesystem::path& directory) {
  std::vector<std::string> files;
  manifests::UniqueFd opened = manifests::open_to_read(AT_FDCWD, directory, O_DIRECTORY);
  if (!opened && errno == ENOENT) return files;
  if (!opened) return manifests::system_error(directory.native(), errno);
  const auto listed = manifests::for_each_name(std::move(opened), directory, [&](std::string_view name) {
    if (std::filesystem::path(name).extension() == ".yaml" && !name.starts_with('.')) files.push_back(directory / name);
  });
  if (!listed) return manifests::Error{manifests::ErrorCode::io, listed.error().message};
  std::sort(files.begin(), files.end());
  return files;
}

/// systemd sets STATE_DIRECTORY for a unit with StateDirectory=, and so on; of several, joined by colons, the first is
/// ours.
std::string usual_directory(const char* variable, const char* otherwise) {
  const char* given = std::getenv(variable);
  const std::string first = given == nullptr ? "" : std::string(given).substr(0, std::string(given).find(':'));
  return first.starts_with('/') ? first : otherwise;
}

Result<Config> finished(Config config, const std::string& file) {
  if (config.state_directory.empty())
    config.state_directory = usual_directory("STATE_DIRECTORY", kDefaultStateDirectory);
  if (config.run_directory.empty()) config.run_directory = usual_run_directory();
  if (config.trees.empty()) {
    return manifests::Error{manifests::ErrorCode::format,
                            manifests::escape(file) + ": no trees: there is nothing to check"};
  }
  return config;
}

}  // namespace

std::string usual_run_directory() { return usual_directory("RUNTIME_DIRECTORY", kDefaultRunDirectory); }

Result<Config> parse_config(const std::string& text, const std::string& file, const std::string& host) {
  return parse_config({{file, text}}, host);
}

Result<std::vector<ConfigFile>> read_config(const std::string& file, const OnConfigFile& on_file) {
  std::vector<ConfigFile> files;
  auto main = read_one(file, on_file);
  if (!main && ::access(file.c_str(), F_OK) != 0 && errno == ENOENT) return no_config(file);
  if (!main) return main.error();
  files.push_back(std::move(*main));
  const auto more = tree_files(std::filesystem::path(file).parent_path() / "trees.d");
  if (!more) return more.error();
  for (const std::string& path : *more) {
    auto one = read_one(path, on_file);
    if (!one) return one.error();
    files.push_back(std::move(*one));
  }
  return files;
}

Result<Config> parse_config(const std::vector<ConfigFile>& files, const std::string& host) {
  Config config;
  for (const ConfigFile& file : files) {
    const auto root = parse_yaml(file.text, file.path);
    if (!root) return root.error();
    Reader reader(file.path, host);
    auto taken = &file == &files.front() ? reader.read(*root, config) : reader.read_trees_only(*root, config);
    if (!taken) return taken.error();
  }
  return finished(std::move(config), files.front().path);
}

Result<Config> load_config(const std::string& file, const std::string& host) {
  const auto files = read_config(file);
  if (!files) return files.error();
  return parse_config(*files, host);
}

}  // namespace driftd::daemon
