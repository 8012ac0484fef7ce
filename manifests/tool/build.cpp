#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/mtree.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/directory_source.hpp"

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

/// Where the output lies below the source, or empty.
std::string output_within_source(const BuildOptions& options) {
  if (options.output.empty()) return {};
  std::error_code error;
  const auto source = std::filesystem::canonical(options.source, error);
  const auto output = std::filesystem::weakly_canonical(options.output, error);
  const auto relative = output.lexically_relative(source);
  return error || relative.empty() || *relative.begin() == ".." ? std::string() : relative.string();
}

void report(const BuildOptions& options, const ReadManifest& read) {
  const Manifest& manifest = read.manifest;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t unchecked = 0;
  for (EntryIndex entry = 0; entry < manifest.size(); ++entry) {
    if (manifest.type(entry) != EntryType::file) continue;
    ++files;
    bytes += manifest.size_of(entry).value_or(0);
    if (manifest.blake3(entry) == nullptr && manifest.sha256(entry) == nullptr) ++unchecked;
  }
  std::fprintf(stderr, "%s %s: %u entries, %llu files, %llu bytes, content blake3:%s\n", manifest.header().name.c_str(),
               manifest.header().release.c_str(), manifest.size(), static_cast<unsigned long long>(files),
               static_cast<unsigned long long>(bytes), to_hex(read.content).c_str());
  for (const Glob& glob : manifest.header().mutable_globs) {
    std::fprintf(stderr, "not checked on the host: whatever matches %s\n", glob.text().c_str());
  }
  if (unchecked > 0) {
    std::fprintf(stderr, "not checked on the host: the content of %llu listed files\n",
                 static_cast<unsigned long long>(unchecked));
  }
  if (!options.output.empty()) {
    std::fprintf(stderr, "Next: driftd-manifest sign -s release.key %s\n", escape(options.output).c_str());
  }
}

}  // namespace

Result<void> build(const BuildOptions& options) {
  auto header = make_header(options);
  if (!header) return header.error();
  auto globs = parse_globs(options);
  if (!globs) return globs.error();
  header->mutable_globs = *globs;

  SourceRules rules;
  rules.mode = options.mode;
  rules.owner = options.owner;
  rules.blake3 = options.blake3;
  rules.sha256 = options.sha256;
  rules.mutable_globs = std::move(*globs);
  rules.optional_paths = options.optional_paths;
  rules.own_manifest = output_within_source(options);
  rules.threads = options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  if (rules.owner != "none" && rules.owner != "source" && rules.owner.find(':') == std::string::npos) {
    return usage("--owner '" + escape(rules.owner) + "': must be USER:GROUP, 'source' or 'none'");
  }
  const auto entries = read_directory(options.source, rules);
  if (!entries) return with_context(options.source, entries.error());

  ManifestBuilder builder(std::move(*header));
  for (const SourceEntry& entry : *entries) {
    if (auto added = builder.add(entry.path, entry.entry); !added) return added.error();
  }
  const auto manifest = std::move(builder).finish();
  if (!manifest) return manifest.error();
  const std::string text = write_manifest(*manifest);
  // What the strict reader does not take, no host would.
  const auto read = read_manifest(text);
  if (!read) return with_context("the manifest as it would be written", read.error());

  if (options.output.empty()) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
      return system_error("standard output", errno);
    }
  } else if (auto written = write_file(options.output, text, 0644, Existing::replace); !written) {
    return written;
  }
  report(options, *read);
  return {};
}

}  // namespace driftd::manifests::tool
