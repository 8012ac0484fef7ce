#include "manifests/tool/build_options.hpp"

#include <fcntl.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "manifests/digest.hpp"
#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/rel_path.hpp"
#include "manifests/tool/byte_stream.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr std::size_t kMaxRulesFile = 1024 * 1024;

Error usage(std::string message) { return {ErrorCode::usage, std::move(message)}; }

/// SOURCE_DATE_EPOCH makes a build repeatable (reproducible-builds.org), else the clock.
Result<std::int64_t> creation_time() {
  const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
  if (epoch == nullptr) return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::string_view text(epoch);
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr std::int64_t kYear9999 = 253402300799;
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0 || seconds > kYear9999) {
    return usage("SOURCE_DATE_EPOCH='" + escape(text) + "' is no number of seconds since 1970");
  }
  return seconds;
}

/// `now` means UTC seconds, the convention that needs no counter.
Result<std::uint64_t> parse_sequence(const std::string& text) {
  if (text == "now") {
    return static_cast<std::uint64_t>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
  }
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), sequence);
  if (error != std::errc() || end != text.data() + text.size()) {
    return usage("--sequence '" + escape(text) + "': must be a number, or 'now' for the time in seconds");
  }
  return sequence;
}

/// 90d, 12h, 30m: whole days, hours or minutes, in seconds.
Result<std::int64_t> parse_lifetime(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::int64_t seconds = unit == "d" ? 86400 : unit == "h" ? 3600 : unit == "m" ? 60 : 0;
  constexpr std::int64_t kMost = 10'000;
  if (error != std::errc() || seconds == 0 || number <= 0 || number > kMost) {
    return usage("--expires '" + escape(text) + "': must be a number of days, hours or minutes, as in 90d");
  }
  return number * seconds;
}

Result<void> add_globs_from(const std::string& path, std::vector<std::string>& globs) {
  const auto text = read_file(path, kMaxRulesFile);
  if (!text) return text.error();
  for (std::string_view rest = *text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!line.empty() && !line.starts_with('#')) globs.emplace_back(line);
  }
  return {};
}

Result<std::vector<Glob>> parse_globs(const BuildOptions& options) {
  std::vector<std::string> texts = options.mutable_globs;
  for (const std::string& file : options.mutable_files) {
    if (auto added = add_globs_from(file, texts); !added) return added.error();
  }
  std::vector<Glob> globs;
  for (const std::string& text : texts) {
    auto glob = Glob::parse(text);
    if (!glob) return usage("--mutable: " + glob.error().message);
    globs.push_back(std::move(*glob));
  }
  return globs;
}

/// NAME sha256:HEX, as registries and SBOMs write it.
Result<std::string> describe_artifact(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return system_error(path, errno);
  const ByteStream stream = read_descriptor(file.get(), path);
  Sha256 hash;
  for (;;) {
    const auto bytes = stream();
    if (!bytes) return bytes.error();
    if (bytes->empty()) break;
    hash.update(bytes->data(), bytes->size());
  }
  return std::filesystem::path(path).filename().string() + " sha256:" + to_hex(hash.finish());
}

/// As the paths of a release are written: without `./` and a final slash.
std::string plain_path(std::string path) {
  while (path.starts_with("./")) path.erase(0, 2);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::vector<std::string> plain_paths(const std::vector<std::string>& paths) {
  std::vector<std::string> plain;
  for (const std::string& path : paths) plain.push_back(plain_path(path));
  return plain;
}

Result<std::vector<DeployLink>> parse_links(const std::vector<std::string>& texts) {
  std::vector<DeployLink> links;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      return usage("--link '" + escape(text) + "': must be PATH=TARGET");
    }
    links.push_back({plain_path(text.substr(0, equals)), text.substr(equals + 1)});
  }
  return links;
}

}  // namespace

Result<Header> make_header(const BuildOptions& options) {
  if (!is_product_name(options.name)) {
    return usage("--name '" + escape(options.name) + "': must be 1 to 64 of A-Z a-z 0-9 . _ -");
  }
  Header header;
  header.name = options.name;
  header.release = options.release;
  header.source = options.source_url;
  header.pipeline = options.pipeline;
  header.overrides = options.overrides;
  if (!options.artifact.empty()) {
    auto artifact = describe_artifact(options.artifact);
    if (!artifact) return with_context("--artifact", artifact.error());
    header.artifact = std::move(*artifact);
  }
  const auto sequence = parse_sequence(options.sequence);
  if (!sequence) return sequence.error();
  header.sequence = *sequence;
  const auto created = creation_time();
  if (!created) return created.error();
  header.created = *created;
  if (!options.expires.empty()) {
    const auto lifetime = parse_lifetime(options.expires);
    if (!lifetime) return lifetime.error();
    header.expires = header.created + *lifetime;
  }
  for (const std::string& label : options.labels) {
    const std::size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) return usage("--label '" + escape(label) + "': must be KEY=VALUE");
    header.labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
  }
  return header;
}

Result<SourceRules> make_rules(const BuildOptions& options, const SourceDefaults& defaults) {
  SourceRules rules;
  rules.strip_components = options.strip_components;
  rules.subdir = plain_path(options.subdir);
  if (rules.subdir == ".") rules.subdir.clear();
  if (!rules.subdir.empty() && !RelPath::parse(rules.subdir)) {
    return usage("--subdir '" + escape(options.subdir) + "': not a path below the source's root");
  }
  rules.mode = options.mode.value_or(defaults.mode);
  auto owner = parse_owner(options.owner.empty() ? defaults.owner : options.owner);
  if (!owner) return owner.error();
  rules.owner = std::move(*owner);
  rules.blake3 = options.blake3;
  rules.sha256 = options.sha256;
  auto globs = parse_globs(options);
  if (!globs) return globs.error();
  rules.mutable_globs = std::move(*globs);
  rules.optional_paths = plain_paths(options.optional_paths);
  rules.generated_paths = plain_paths(options.generated_paths);
  auto links = parse_links(options.links);
  if (!links) return links.error();
  rules.links = std::move(*links);
  return rules;
}

}  // namespace driftd::manifests::tool
