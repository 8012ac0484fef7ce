#include "manifests/tool/identity.hpp"

#include <fcntl.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "manifests/digest.hpp"
#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/tool/byte_stream.hpp"
#include "manifests/unique_fd.hpp"

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

Result<std::vector<Glob>> parse_globs(const HeaderOptions& options) {
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

}  // namespace

Result<void> identify(const IdentityOptions& options, Header& header) {
  const auto sequence = parse_sequence(options.sequence);
  if (!sequence) return sequence.error();
  const auto created = creation_time();
  if (!created) return created.error();
  std::optional<std::int64_t> expires;
  if (!options.expires.empty()) {
    const auto lifetime = parse_lifetime(options.expires);
    if (!lifetime) return lifetime.error();
    expires = *created + *lifetime;
  }
  std::vector<std::pair<std::string, std::string>> labels;
  for (const std::string& label : options.labels) {
    const std::size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) return usage("--label '" + escape(label) + "': must be KEY=VALUE");
    labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
  }
  header.release = options.release;
  header.sequence = *sequence;
  header.created = *created;
  header.expires = expires;
  header.overrides = options.overrides;
  header.labels = std::move(labels);
  return {};
}

Result<Header> make_header(const HeaderOptions& options) {
  if (!is_product_name(options.name)) {
    return usage("--name '" + escape(options.name) + "': must be 1 to 64 of A-Z a-z 0-9 . _ -");
  }
  Header header;
  header.name = options.name;
  header.source = options.source_url;
  header.pipeline = options.pipeline;
  if (!options.artifact.empty()) {
    auto artifact = describe_artifact(options.artifact);
    if (!artifact) return with_context("--artifact", artifact.error());
    header.artifact = std::move(*artifact);
  }
  if (auto identified = identify(options.identity, header); !identified) return identified.error();
  auto globs = parse_globs(options);
  if (!globs) return globs.error();
  header.mutable_globs = std::move(*globs);
  return header;
}

}  // namespace driftd::manifests::tool
