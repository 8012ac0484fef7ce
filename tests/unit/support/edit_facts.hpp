#pragma once

#include "scanner/facts.hpp"

namespace driftd::test {

/// See edit().
class EditedFacts {
 public:
  explicit EditedFacts(scanner::PackedFacts& packed) : packed_(packed), facts_(packed.unpack()) {}
  ~EditedFacts() { packed_ = facts_; }
  EditedFacts(const EditedFacts&) = delete;
  EditedFacts& operator=(const EditedFacts&) = delete;
  scanner::Facts* operator->() { return &facts_; }

 private:
  scanner::PackedFacts& packed_;
  scanner::Facts facts_;
};

/// A finding's facts, to be changed where they are: `edit(finding.actual)->size = 5;`.
inline EditedFacts edit(scanner::PackedFacts& packed) { return EditedFacts(packed); }

}  // namespace driftd::test
