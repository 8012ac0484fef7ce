#include "manifests/tool/gunzip.hpp"

#include <zlib.h>

#include <memory>
#include <utility>
#include <vector>

#include "manifests/escape.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr int kGzipAlone = 16 + MAX_WBITS;  // see inflateInit2 in zlib.h

class Gunzip {
 public:
  explicit Gunzip(ByteStream compressed) : compressed_(std::move(compressed)), buffer_(kBufferSize) {
    good_ = inflateInit2(&state_, kGzipAlone) == Z_OK;
  }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;
  ~Gunzip() { inflateEnd(&state_); }

  [[nodiscard]] bool good() const { return good_; }

  Result<std::string_view> next() {
    while (!ended_) {
      if (state_.avail_in == 0) {
        if (auto filled = fill(); !filled) return filled.error();
        if (state_.avail_in == 0) return at_end();
      }
      if (between_members_ && !starts_member()) continue;
      state_.next_out = buffer_.data();
      state_.avail_out = static_cast<uInt>(buffer_.size());
      const int status = inflate(&state_, Z_NO_FLUSH);
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) return damaged();
      const std::size_t size = buffer_.size() - state_.avail_out;
      if (status == Z_STREAM_END) {
        between_members_ = true;
        ++members_;
      }
      if (size > 0) return std::string_view(reinterpret_cast<const char*>(buffer_.data()), size);
    }
    return std::string_view();
  }

 private:
  static constexpr std::size_t kBufferSize = 256 * 1024;

  Result<void> fill() {
    const auto bytes = compressed_();
    if (!bytes) return bytes.error();
    // zlib promises not to write there.
    state_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes->data()));
    state_.avail_in = static_cast<uInt>(bytes->size());
    return {};
  }

  Result<std::string_view> at_end() {
    if (!between_members_) return Error{ErrorCode::format, "truncated in the middle of its gzip data"};
    ended_ = true;
    return std::string_view();
  }

  /// Skips the zeros with which tapes and some tools pad.
  bool starts_member() {
    while (state_.avail_in > 0 && *state_.next_in == 0) {
      ++state_.next_in;
      --state_.avail_in;
    }
    if (state_.avail_in == 0) return false;
    inflateReset(&state_);
    between_members_ = false;
    return true;
  }

  [[nodiscard]] Error damaged() const {
    if (members_ > 0 && state_.total_out == 0) return {ErrorCode::format, "something else follows the gzip data"};
    return {ErrorCode::format, "gzip data: " + escape(state_.msg == nullptr ? "damaged" : state_.msg)};
  }

  ByteStream compressed_;
  std::vector<unsigned char> buffer_;
  z_stream state_{};
  bool good_ = false;
  bool between_members_ = false;
  std::size_t members_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<ByteStream> gunzip(ByteStream compressed) {
  const auto state = std::make_shared<Gunzip>(std::move(compressed));
  if (!state->good()) return Error{ErrorCode::io, "zlib: out of memory"};
  return ByteStream([state] { return state->next(); });
}

}  // namespace driftd::manifests::tool
