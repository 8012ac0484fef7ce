#include "scanner/facts.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

namespace driftd::scanner {
namespace {

using manifests::Digest;

/// First two bytes with a bit for each fact that is there, then these facts in the order of for_each_fact().
constexpr std::size_t kPresenceBytes = 2;

template <class AnyFacts, class Visit>
void for_each_fact(AnyFacts& facts, Visit visit) {
  visit(facts.type);
  visit(facts.size);
  visit(facts.blake3);
  visit(facts.sha256);
  visit(facts.mode);
  visit(facts.executable);
  visit(facts.owner);
  visit(facts.group);
  visit(facts.target);
  visit(facts.capability);
  visit(facts.acl);
  visit(facts.release);
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
void put_number(std::string& bytes, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7U) bytes += static_cast<char>((number & 0x7fU) | 0x80U);
  bytes += static_cast<char>(number);
}

std::uint64_t take_number(std::string_view& bytes) {
  std::uint64_t number = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    number |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80U) == 0) return number;
  }
}

std::string_view take_bytes(std::string_view& bytes, std::size_t size) {
  const std::string_view taken = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return taken;
}

void put(std::string& bytes, const std::string& text) {
  put_number(bytes, text.size());
  bytes += text;
}

void put(std::string& bytes, const Digest& digest) { bytes.append(digest.bytes.begin(), digest.bytes.end()); }

template <class Number>
requires(std::is_integral_v<Number> || std::is_enum_v<Number>) void put(std::string& bytes, Number number) {
  put_number(bytes, static_cast<std::uint64_t>(number));
}

void take(std::string_view& bytes, std::string& text) { text = take_bytes(bytes, take_number(bytes)); }

void take(std::string_view& bytes, Digest& digest) {
  const std::string_view taken = take_bytes(bytes, Digest::kSize);
  std::copy(taken.begin(), taken.end(), digest.bytes.begin());
}

template <class Number>
requires(std::is_integral_v<Number> || std::is_enum_v<Number>) void take(std::string_view& bytes, Number& number) {
  number = static_cast<Number>(take_number(bytes));
}

}  // namespace

PackedFacts::PackedFacts(const Facts& facts) {
  std::string bytes(kPresenceBytes, '\0');
  unsigned present = 0;
  unsigned bit = 1;
  for_each_fact(facts, [&](const auto& fact) {
    if (fact) {
      present |= bit;
      put(bytes, *fact);
    }
    bit <<= 1U;
  });
  if (present == 0) return;
  bytes[0] = static_cast<char>(present & 0xffU);
  bytes[1] = static_cast<char>(present >> 8U);
  bytes.shrink_to_fit();
  bytes_ = std::move(bytes);
}

Facts PackedFacts::unpack() const {
  Facts facts;
  if (bytes_.empty()) return facts;
  std::string_view bytes = bytes_;
  unsigned present = static_cast<unsigned char>(bytes[0]) | (unsigned{static_cast<unsigned char>(bytes[1])} << 8U);
  bytes.remove_prefix(kPresenceBytes);
  for_each_fact(facts, [&](auto& fact) {
    if ((present & 1U) != 0) take(bytes, fact.emplace());
    present >>= 1U;
  });
  return facts;
}

}  // namespace driftd::scanner
