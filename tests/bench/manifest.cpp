#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <sodium.h>

#include "manifests/file_io.hpp"
#include "manifests/mtree.hpp"
#include "manifests/signed_file.hpp"
#include "manifests/trust.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/random.hpp"

/// How fast a large manifest is made and loaded, and what it takes to hold it. See manifest.sh.
namespace {

using namespace driftd::manifests;  // NOLINT(google-build-using-namespace): a program of one file
using driftd::test::must;
using driftd::test::Random;

class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Digest any_digest(Random& random) {
  Digest digest;
  for (unsigned char& byte : digest.bytes) byte = static_cast<unsigned char>(random.below(256));
  return digest;
}

/// Lists packages as npm lays them out, until there are `wanted` entries.
class Packages {
 public:
  Packages(std::size_t wanted, std::uint64_t seed) : left_(wanted), random_(seed) {}

  void add_to(ManifestBuilder& builder) {
    add(builder, ".", directory());
    add(builder, "node_modules", directory());
    for (std::size_t number = 0; left_ > 0; ++number) {
      char name[64];
      std::snprintf(name, sizeof name, "node_modules/p%06zu-%s", number, random_.pick(kWords));
      add_directory(builder, name, 0);
    }
  }

 private:
  static constexpr std::array kWords = {"babel",  "core",  "helper",  "icons", "lodash", "parser",
                                        "plugin", "react", "runtime", "types", "utils",  "webpack"};
  static constexpr std::array kSuffixes = {".d.ts", ".js", ".js.map", ".mjs", ".json"};

  static Entry directory() {
    Entry entry;
    entry.type = EntryType::directory;
    return entry;
  }

  void add(ManifestBuilder& builder, const std::string& path, const Entry& entry) {
    if (left_ == 0) return;
    must(builder.add(path, entry));
    --left_;
  }

  void add_directory(ManifestBuilder& builder, const std::string& path, int depth) {
    add(builder, path, directory());
    for (std::size_t number = 0, files = 4 + random_.below(24); number < files; ++number) {
      char name[64];
      std::snprintf(name, sizeof name, "/f%02zu%s%s", number, random_.pick(kWords), random_.pick(kSuffixes));
      Entry file;
      file.size = random_.below(random_.one_in(20) ? 2'000'000 : 20'000);
      file.sha256 = any_digest(random_);
      file.blake3 = any_digest(random_);
      file.executable = random_.one_in(200);
      add(builder, path + name, file);
    }
    if (depth == 3) return;
    for (std::size_t number = 0, below = random_.below(4); number < below; ++number) {
      char name[64];
      std::snprintf(name, sizeof name, "/s%zu%s", number, random_.pick(kWords));
      add_directory(builder, path + name, depth + 1);
    }
  }

  std::size_t left_;
  Random random_;
};

/// Bytes that the allocator has handed out.
std::size_t allocated() {
  const auto all = ::mallinfo2();
  return all.uordblks + all.hblkhd;
}

/// The process's greatest size so far, from /proc/self/status.
std::size_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
  }
  return 0;
}

int make(std::size_t entries, const std::string& directory) {
  const Stopwatch all;
  Header header;
  header.name = "bench";
  header.release = "v1";
  header.sequence = 1;
  ManifestBuilder builder(header);
  Packages(entries, 1).add_to(builder);
  const Manifest manifest = must(std::move(builder).finish());
  const double built = all.seconds();
  const Stopwatch writing;
  const std::string bytes = write_manifest(manifest);
  std::printf("list    %.3f s for %u entries (random digests included)\n", built, manifest.size());
  std::printf("write   %.3f s, %zu bytes, %.0f an entry\n", writing.seconds(), bytes.size(),
              static_cast<double>(bytes.size()) / manifest.size());
  std::printf("peak    %zu MB\n", peak_bytes() >> 20U);
  const auto key = minisign::SecretKey::generate();
  must(write_file(directory + "/bench.manifest", bytes, 0644, Existing::replace));
  must(write_file(directory + "/bench.manifest.minisig", key.sign(bytes, "bench"), 0644, Existing::replace));
  must(write_file(directory + "/bench.pub", minisign::write_public_key(key.public_key()), 0644, Existing::replace));
  return 0;
}

struct Times {
  std::vector<double> seconds;
  void print(const char* what) {
    std::sort(seconds.begin(), seconds.end());
    std::printf("%-22s %.3f s  (%.3f to %.3f)\n", what, seconds[seconds.size() / 2], seconds.front(), seconds.back());
  }
};

template <class Step>
auto timed(Times& times, Step step) {
  const Stopwatch watch;
  auto result = step();
  times.seconds.push_back(watch.seconds());
  return result;
}

int load(int runs, const std::string& directory) {
  const std::string path = directory + "/bench.manifest";
  const auto key = must(minisign::parse_public_key(must(read_file(directory + "/bench.pub", 4096))));
  const TrustPolicy policy{{key}, {}, 1};

  Times whole;
  std::size_t held = 0;
  EntryIndex entries = 0;
  for (int run = 0; run <= runs; ++run) {
    const std::size_t before = allocated();
    const Stopwatch watch;
    auto bytes = std::make_unique<SignedBytes>(must(read_signed_file(path)));
    auto manifest = must(VerifiedManifest::verify(*bytes, policy));
    bytes.reset();
    if (run > 0) whole.seconds.push_back(watch.seconds());
    held = allocated() - before;
    entries = manifest.manifest().size();
  }
  const std::size_t peak = peak_bytes();

  Times read, prehash, verify, content, parse, release;
  for (int run = 0; run < runs; ++run) {
    auto bytes = std::make_unique<SignedBytes>(timed(read, [&] { return must(read_signed_file(path)); }));
    const auto hash = timed(prehash, [&] { return minisign::prehash(bytes->bytes.text()); });
    const auto signature = must(minisign::parse_signature(bytes->signatures.front()));
    if (!timed(verify, [&] { return minisign::verify(signature, key, hash); })) return 1;
    timed(content, [&] {
      Blake3 blake3;
      blake3.update(bytes->bytes.text());
      return blake3.finish();
    });
    const auto manifest = timed(parse, [&] { return must(read_manifest(bytes->bytes.text(), KeepDigests::one)); });
    timed(release, [&] { return bytes.reset(), 0; });
  }
  whole.print("load, all in all");
  read.print("  read and hash, overlapped");
  prehash.print("    of it BLAKE2b prehash");
  verify.print("  signature");
  parse.print("  parse");
  content.print("    of it content id");
  release.print("  giving back");
  std::printf("%.1f bytes an entry after loading (%u entries), peak of the process %zu MB\n",
              static_cast<double>(held) / entries, entries, peak >> 20U);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (sodium_init() < 0) return 1;
  if (arguments.size() == 3 && arguments[0] == "make") return make(std::stoul(arguments[1]), arguments[2]);
  if (arguments.size() == 3 && arguments[0] == "load") return load(std::stoi(arguments[1]), arguments[2]);
  std::cerr << "usage: bench_manifest make ENTRIES DIRECTORY | load RUNS DIRECTORY\n";
  return 64;
}
