#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include <blake3.h>
#include <openssl/evp.h>

/// The floor: what no correct scanner can do without, and nothing else. Threads list the directories, and each regular
/// file is opened by its name in its directory, read, hashed and closed; links are read. Nothing is compared, nothing
/// is kept. `exact` is what an honest answer costs besides: attributes with the mount before and after the content, and
/// the list of extended attributes. See run.sh.
namespace {

enum class Mode { stat, read, blake3, sha256, exact };

struct Counts {
  std::uint64_t files = 0, directories = 0, bytes = 0, errors = 0;
};

/// Open directories that nobody has listed yet, the youngest first.
class Directories {
 public:
  void add(int directory) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(directory);
    changed_.notify_one();
  }

  /// Nothing once there are none and nobody is left who could add one. Who takes one says done() afterwards.
  std::optional<int> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty() || listing_ == 0; });
    if (waiting_.empty()) return std::nullopt;
    const int directory = waiting_.back();
    waiting_.pop_back();
    ++listing_;
    return directory;
  }

  void done() {
    const std::lock_guard lock(mutex_);
    if (--listing_ == 0) changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> waiting_;
  int listing_ = 0;
};

int open_without_trace(int directory, const char* name, int flags) {
  flags |= O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
  const int file = ::openat(directory, name, flags | O_NOATIME);
  // O_NOATIME is the owner's.
  return file < 0 && errno == EPERM ? ::openat(directory, name, flags) : file;
}

class Worker {
 public:
  Worker(Mode mode, Directories& directories) : mode_(mode), directories_(directories) {}

  void run() {
    while (const auto directory = directories_.take()) {
      list(*directory);
      directories_.done();
    }
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  static constexpr std::size_t kReadSize = std::size_t{256} * 1024;
  static constexpr std::size_t kListSize = std::size_t{64} * 1024;

  void list(int directory) {
    ++counts_.directories;
    ssize_t length = 0;
    while ((length = ::getdents64(directory, listing_.get(), kListSize)) > 0) {
      for (const char *at = listing_.get(), *end = at + length; at < end;) {
        const auto* entry = reinterpret_cast<const dirent64*>(at);
        at += entry->d_reclen;
        visit(directory, *entry);
      }
    }
    expect(length == 0);
    ::close(directory);
  }

  void visit(int directory, const dirent64& entry) {
    const std::string_view name = entry.d_name;
    if (entry.d_type == DT_DIR) {
      if (name == "." || name == "..") return;
      const int below = open_without_trace(directory, entry.d_name, O_DIRECTORY);
      if (expect(below >= 0)) directories_.add(below);
    } else if (entry.d_type == DT_LNK) {
      std::array<char, 4096> target;
      expect(::readlinkat(directory, entry.d_name, target.data(), target.size()) >= 0);
    } else if (entry.d_type == DT_REG) {
      ++counts_.files;
      if (mode_ == Mode::stat) {
        struct stat status;
        expect(::fstatat(directory, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0);
      } else {
        visit_content(directory, entry.d_name);
      }
    }
  }

  void visit_content(int directory, const char* name) {
    const int file = open_without_trace(directory, name, 0);
    if (!expect(file >= 0)) return;
    if (mode_ == Mode::exact) {
      struct statx before;
      struct statx after;
      std::array<char, 1024> attributes;
      expect(::statx(file, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &before) == 0);
      expect(::flistxattr(file, attributes.data(), attributes.size()) >= 0 || errno == EOPNOTSUPP);
      read_content(file, before.stx_size);
      expect(::statx(file, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &after) == 0);
    } else {
      struct stat status;
      expect(::fstat(file, &status) == 0);
      read_content(file, static_cast<std::uint64_t>(status.st_size));
    }
    ::close(file);
  }

  void read_content(int file, std::uint64_t size) {
    blake3_hasher blake3;
    const bool with_blake3 = mode_ == Mode::blake3 || mode_ == Mode::exact;
    if (with_blake3) blake3_hasher_init(&blake3);
    if (mode_ == Mode::sha256) expect(EVP_DigestInit_ex(sha256_.get(), EVP_sha256(), nullptr) == 1);
    for (std::uint64_t done = 0; done < size;) {
      const ssize_t got = ::read(file, buffer_.get(), kReadSize);
      if (!expect(got > 0)) break;
      const auto length = static_cast<std::size_t>(got);
      if (with_blake3) blake3_hasher_update(&blake3, buffer_.get(), length);
      if (mode_ == Mode::sha256) EVP_DigestUpdate(sha256_.get(), buffer_.get(), length);
      done += length;
      counts_.bytes += length;
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    if (with_blake3) blake3_hasher_finalize(&blake3, digest.data(), BLAKE3_OUT_LEN);
    if (mode_ == Mode::sha256) EVP_DigestFinal_ex(sha256_.get(), digest.data(), nullptr);
  }

  bool expect(bool held) {
    if (!held) ++counts_.errors;
    return held;
  }

  Mode mode_;
  Directories& directories_;
  Counts counts_;
  std::unique_ptr<unsigned char[]> buffer_{new unsigned char[kReadSize]};
  std::unique_ptr<char[]> listing_{new char[kListSize]};
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> sha256_{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

std::optional<Mode> mode_of(std::string_view name) {
  if (name == "stat") return Mode::stat;
  if (name == "read") return Mode::read;
  if (name == "blake3") return Mode::blake3;
  if (name == "sha256") return Mode::sha256;
  if (name == "exact") return Mode::exact;
  return std::nullopt;
}

/// Directories wait while they are open, and some have thousands below them.
void allow_many_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Counts walk(Mode mode, std::size_t thread_count, int root) {
  Directories directories;
  directories.add(root);
  std::vector<Worker> workers;
  workers.reserve(thread_count);
  for (std::size_t number = 0; number < thread_count; ++number) workers.emplace_back(mode, directories);
  std::vector<std::thread> threads;
  for (Worker& worker : workers) threads.emplace_back([&worker] { worker.run(); });
  for (std::thread& thread : threads) thread.join();
  Counts sum;
  for (const Worker& worker : workers) {
    sum.files += worker.counts().files;
    sum.directories += worker.counts().directories;
    sum.bytes += worker.counts().bytes;
    sum.errors += worker.counts().errors;
  }
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const auto mode = argc == 4 ? mode_of(argv[1]) : std::nullopt;
  const int threads = argc == 4 ? std::atoi(argv[2]) : 0;
  if (!mode || threads < 1) {
    std::fprintf(stderr, "usage: floor stat|read|blake3|sha256|exact THREADS DIRECTORY\n");
    return 64;
  }
  allow_many_open_files();
  const int root = ::open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) {
    std::perror(argv[3]);
    return 1;
  }
  const auto start = std::chrono::steady_clock::now();
  const Counts counts = walk(*mode, static_cast<std::size_t>(threads), root);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  std::printf("%s files=%ju directories=%ju bytes=%ju errors=%ju seconds=%.4f\n", argv[1], std::uintmax_t{counts.files},
              std::uintmax_t{counts.directories}, std::uintmax_t{counts.bytes}, std::uintmax_t{counts.errors},
              taken.count());
  return counts.errors == 0 ? 0 : 1;
}
