#include "manifests/hashed_bytes.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

#include "manifests/file_io.hpp"

namespace driftd::manifests {
namespace {

using Memory = std::shared_ptr<char[]>;  // NOLINT(modernize-avoid-c-arrays)

/// Small enough that what was read is hashed while the processor's cache holds it.
constexpr std::size_t kPiece = std::size_t{1} << 20U;
/// Read at once, so that whoever waits on a slow file system sees that it answers.
constexpr std::size_t kStep = std::size_t{128} << 10U;
/// From here on a second thread gains more than it costs.
constexpr std::size_t kWorthAThread = 8 * kPiece;

/// Not initialised: to touch a fresh page costs more than to read it full, so it is touched once, and by two threads.
Memory allocate(std::size_t size) {
  Memory memory = std::make_shared_for_overwrite<char[]>(size);  // NOLINT(modernize-avoid-c-arrays)
  constexpr std::size_t kPage = 4096;
  void* start = memory.get();
  std::size_t room = size;
  if (size >= kWorthAThread && std::align(kPage, kPage, start, room) != nullptr) {
    // A hint: where the kernel has no huge pages, nothing is lost.
    ::madvise(start, room - room % kPage, MADV_HUGEPAGE);
  }
  return memory;
}

/// A file that is read piece by piece, in any order and by any thread.
class Pieces {
 public:
  Pieces(int fd, std::span<char> memory, const OnRead& on_read)
      : fd_(fd), memory_(memory), on_read_(on_read), pieces_((memory.size() + kPiece - 1) / kPiece) {}

  [[nodiscard]] std::size_t count() const { return pieces_.size(); }

  /// Reads one that nobody has taken yet; false where there is none.
  bool read_one() {
    const std::size_t number = next_.fetch_add(1, std::memory_order_relaxed);
    if (number >= pieces_.size()) return false;
    Piece& piece = pieces_[number];
    fill(piece, number);
    piece.is_read.store(true, std::memory_order_release);
    piece.is_read.notify_one();
    return true;
  }

  /// Waits for it, and reads others meanwhile. The piece's bytes; fewer than memory has room for where the file ends
  /// early, or where errno is set in `error`.
  std::span<const char> take(std::size_t number, int& error) {
    const Piece& piece = pieces_[number];
    while (!piece.is_read.load(std::memory_order_acquire)) {
      if (!read_one()) piece.is_read.wait(false, std::memory_order_acquire);
    }
    error = piece.error;
    return room(number).first(piece.length);
  }

  /// Whoever reads now reads no further piece.
  void stop() { next_.store(pieces_.size(), std::memory_order_relaxed); }

  [[nodiscard]] std::span<char> room(std::size_t number) const {
    const std::size_t begin = number * kPiece;
    return memory_.subspan(begin, std::min(kPiece, memory_.size() - begin));
  }

 private:
  struct Piece {
    std::size_t length = 0;
    int error = 0;
    std::atomic<bool> is_read = false;
  };

  void fill(Piece& piece, std::size_t number) const {
    const std::span<char> room = this->room(number);
    while (piece.length < room.size()) {
      const auto at = static_cast<off_t>(number * kPiece + piece.length);
      const ssize_t got = ::pread(fd_, room.data() + piece.length, std::min(kStep, room.size() - piece.length), at);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) piece.error = errno;
      if (got <= 0) return;
      if (on_read_) on_read_();
      piece.length += static_cast<std::size_t>(got);
    }
  }

  const int fd_;
  const std::span<char> memory_;
  const OnRead& on_read_;
  std::vector<Piece> pieces_;
  std::atomic<std::size_t> next_ = 0;
};

/// Reads ahead as long as it lives. Where the system has no room for a thread, whoever waits for a piece reads it.
std::jthread read_ahead(Pieces& pieces) {
  try {
    return std::jthread([&pieces] {
      while (pieces.read_one())
        ;
    });
  } catch (const std::system_error&) {
    return {};
  }
}

}  // namespace

HashedBytes::HashedBytes(const std::string& bytes) : size_(bytes.size()), hash_(minisign::prehash(bytes)) {
  const Memory memory = allocate(bytes.size());
  std::copy(bytes.begin(), bytes.end(), memory.get());
  bytes_ = memory;
}

Result<HashedBytes> HashedBytes::read(const std::string& path, std::size_t limit, const OnRead& on_read) {
  const auto file = open_regular_file(path, limit);
  if (!file) return file.error();
  const Memory memory = allocate(file->size);
  if (on_read) on_read();
  Pieces pieces(file->fd.get(), {memory.get(), file->size}, on_read);
  minisign::Prehasher hasher;
  std::size_t size = 0;
  int error = 0;
  {
    const std::jthread helper = file->size >= kWorthAThread ? read_ahead(pieces) : std::jthread();
    for (std::size_t number = 0; number < pieces.count(); ++number) {
      const std::span<const char> piece = pieces.take(number, error);
      hasher.update({piece.data(), piece.size()});
      size += piece.size();
      if (piece.size() < pieces.room(number).size()) break;
    }
    pieces.stop();
  }
  if (error != 0) return unreadable(path, error);
  return HashedBytes(memory, size, hasher.finish());
}

}  // namespace driftd::manifests
