#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "manifests/error.hpp"
#include "manifests/minisign.hpp"

namespace driftd::manifests {

/// Called after each answer of the file system that a file is read from, by whichever thread reads.
using OnRead = std::function<void()>;

/// A file's bytes, and the hash of exactly these bytes that a signature covers. Neither changes; copies share both.
class HashedBytes {
 public:
  HashedBytes() : HashedBytes(std::string()) {}
  HashedBytes(const std::string& bytes);  // NOLINT(google-explicit-constructor): they are the same bytes

  /// Reads a regular file as read_file() does, on two threads where that is worth it. Of a file that grows meanwhile,
  /// the bytes that it had at the start.
  static Result<HashedBytes> read(const std::string& path, std::size_t limit, const OnRead& on_read = {});

  [[nodiscard]] std::string_view text() const { return {bytes_.get(), size_}; }
  [[nodiscard]] const minisign::Prehash& hash() const { return hash_; }

 private:
  HashedBytes(std::shared_ptr<const char[]> bytes, std::size_t size, const minisign::Prehash& hash)  // NOLINT
      : bytes_(std::move(bytes)), size_(size), hash_(hash) {}

  std::shared_ptr<const char[]> bytes_;  // NOLINT(modernize-avoid-c-arrays): uninitialised until it is read into
  std::size_t size_;
  minisign::Prehash hash_;
};

}  // namespace driftd::manifests
