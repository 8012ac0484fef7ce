#include "manifests/secret_text.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

#include <sodium.h>

namespace driftd::manifests {

void SecretText::Wipe::operator()(char* memory) const { sodium_free(memory); }

SecretText::SecretText(std::size_t size)
    : memory_(static_cast<char*>(sodium_malloc(std::max<std::size_t>(size, 1)))), size_(size) {
  if (!memory_) throw std::bad_alloc();
  std::memset(memory_.get(), 0, size);
}

SecretText::SecretText(std::string_view text) : SecretText(text.size()) {
  std::memcpy(memory_.get(), text.data(), text.size());
}

void SecretText::truncate(std::size_t size) {
  assert(size <= size_);
  size_ = size;
}

}  // namespace driftd::manifests
