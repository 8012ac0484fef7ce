#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "manifests/digest.hpp"
#include "scanner/observed.hpp"

namespace driftd::scanner {

/// One side of a comparison: the facts that are stated or were seen. Owner and group are names where the manifest
/// names them, else numbers.
struct Facts {
  std::optional<FileType> type;
  std::optional<std::uint64_t> size;
  std::optional<manifests::Digest> blake3;
  std::optional<manifests::Digest> sha256;
  std::optional<std::uint32_t> mode;
  std::optional<bool> executable;
  std::optional<std::string> owner;
  std::optional<std::string> group;
  std::optional<std::string> target;
  std::optional<std::string> capability;
  std::optional<manifests::Digest> acl;
  std::optional<std::string> release;  ///< of a tree that is another release as a whole

  friend bool operator==(const Facts&, const Facts&) = default;
};

/// The same in a few bytes, since there may be very many findings: what is known of an added file mostly fits into a
/// string that takes no memory of its own. Equal where the facts are.
class PackedFacts {
 public:
  PackedFacts() = default;          ///< of no facts
  PackedFacts(const Facts& facts);  // NOLINT(google-explicit-constructor): they mean the same

  [[nodiscard]] Facts unpack() const;
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }  ///< bytes

  friend bool operator==(const PackedFacts&, const PackedFacts&) = default;

 private:
  std::string bytes_;
};

}  // namespace driftd::scanner
