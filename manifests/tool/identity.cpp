#include "manifests/tool/identity.hpp"

#include <fcntl.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include "manifests/digest.hpp"
#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/tool/byte_stream.hpp"
#include "manifests/tool/text_lines.hpp"
#include "manifests/unique_fd.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr std::size_t kMaxRulesFile = 1024 * 1024;

Error usage(std::string message) { return {ErrorCode::usage, std::move(message)}; }

std::int64_t clock_time() { return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()); }

Result<std::int64_t> creation_time() {
  const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
  if (epoch == nullptr) return clock_time();
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
  if (text == "now") return static_cast<std::uint64_t>(clock_time());
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), sequence);
  if (error != std::errc() || std::to_string(sequence) != text) {
    return usage("--sequence '" + escape(text) +
                 "': must be a number without leading zeros, or 'now' for the time in seconds");
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

/// A header's value: found wrong before anything is hashed, and told by its option's name.
Result<void> require_printable(const char* option, const std::string& value) {
  if (is_printable_ascii(value)) return {};
  return usage(std::string(option) + " '" + escape(value) + "': must be printable ASCII");
}

Result<void> add_glob(std::string_view text, const std::string& from, std::vector<Glob>& globs) {
  auto glob = Glob::parse(text);
  if (!glob) return usage(from + ": " + glob.error().message);
  globs.push_back(std::move(*glob));
  if (globs.size() > kMaxGlobs) return usage(from + ": more than 1000 mutable rules");
  return {};
}

Result<void> add_globs_from(const std::string& path, std::vector<Glob>& globs) {
  const auto text = read_file(path, kMaxRulesFile);
  if (!text) return text.error();
  TextLines lines(*text);
  while (const auto line = lines.next()) {
    if (line->empty() || line->starts_with('#')) continue;
    const std::string from = escape(path) + ":" + std::to_string(lines.number());
    if (auto added = add_glob(*line, from, globs); !added) return added;
  }
  return {};
}

Result<std::vector<Glob>> parse_globs(const HeaderOptions& options) {
  std::vector<Glob> globs;
  for (const std::string& text : options.mutable_globs) {
    if (auto added = add_glob(text, "--mutable", globs); !added) return added.error();
  }
  for (const std::string& file : options.mutable_files) {
    if (auto added = add_globs_from(file, globs); !added) return added.error();
  }
  return globs;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_labels(const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> labels;
  std::set<std::string_view> keys;
  for (const std::string& text : texts) {
    if (auto printable = require_printable("--label", text); !printable) return printable.error();
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) return usage("--label '" + escape(text) + "': must be KEY=VALUE");
    labels.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    // A host that requires the one would not hear of the other.
    if (!keys.insert(std::string_view(text).substr(0, equals)).second) {
      return usage("--label '" + escape(text) + "': the key is given twice");
    }
  }
  return labels;
}

/// In seconds since 1970. Refused: a time that has passed, as it has where SOURCE_DATE_EPOCH is that of an old commit.
Result<std::int64_t> expiry(const std::string& lifetime, std::int64_t created) {
  const auto seconds = parse_lifetime(lifetime);
  if (!seconds) return seconds.error();
  const std::int64_t expires = created + *seconds;
  if (expires <= clock_time()) {
    return usage("--expires '" + escape(lifetime) + "': over already, since it counts from SOURCE_DATE_EPOCH (" +
                 format_utc(created) + "): no host would accept the release");
  }
  return expires;
}

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

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
  return file_name(path) + " sha256:" + to_hex(hash.finish());
}

}  // namespace

Result<void> identify(const IdentityOptions& options, Header& header) {
  const auto sequence = parse_sequence(options.sequence);
  if (!sequence) return sequence.error();
  const auto created = creation_time();
  if (!created) return created.error();
  std::optional<std::int64_t> expires;
  if (!options.expires.empty()) {
    const auto time = expiry(options.expires, *created);
    if (!time) return time.error();
    expires = *time;
  }
  auto labels = parse_labels(options.labels);
  if (!labels) return labels.error();
  if (auto printable = require_printable("--release", options.release); !printable) return printable;
  for (const std::string& text : options.overrides) {
    if (auto printable = require_printable("--override", text); !printable) return printable;
  }
  header.release = options.release;
  header.sequence = *sequence;
  header.created = *created;
  header.expires = expires;
  header.overrides = options.overrides;
  header.labels = std::move(*labels);
  return {};
}

Result<Header> make_header(const HeaderOptions& options) {
  if (!is_product_name(options.name)) {
    return usage("--name '" + escape(options.name) + "': must be 1 to 64 of A-Z a-z 0-9 . _ -");
  }
  for (const auto& [option, value] :
       {std::pair("--source", options.source_url), std::pair("--pipeline", options.pipeline),
        std::pair("--artifact", file_name(options.artifact))}) {
    if (auto printable = require_printable(option, value); !printable) return printable.error();
  }
  Header header;
  header.name = options.name;
  header.source = options.source_url;
  header.pipeline = options.pipeline;
  if (auto identified = identify(options.identity, header); !identified) return identified.error();
  auto globs = parse_globs(options);
  if (!globs) return globs.error();
  header.mutable_globs = std::move(*globs);
  if (!options.artifact.empty()) {
    auto artifact = describe_artifact(options.artifact);
    if (!artifact) return with_context("--artifact", artifact.error());
    header.artifact = std::move(*artifact);
  }
  return header;
}

}  // namespace driftd::manifests::tool
