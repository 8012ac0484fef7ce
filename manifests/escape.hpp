#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

/// Bytes from a file system made safe for a terminal, a log or JSON. Names on disk are arbitrary bytes; nothing that
/// comes from outside reaches a person or a program other than through one of these.
namespace driftd::manifests {

/// One code point at the start of `text`, or nothing where the bytes are not well-formed UTF-8 (RFC 3629: no
/// overlong forms, no surrogates, at most U+10FFFF).
struct CodePoint {
  char32_t value;
  std::size_t length;
};
std::optional<CodePoint> decode_utf8(std::string_view text);

bool is_utf8(std::string_view text);

/// True where all bytes are 0x20 to 0x7e: what a manifest's header may hold.
bool is_printable_ascii(std::string_view text);

/// True for what must not be shown raw: C0 and C1 controls, DEL, line and paragraph separators, bidirectional
/// controls, zero-width and tag characters.
bool is_deceptive(char32_t code_point);

/// For people: deceptive characters as `\x1b` or `\u202e`, bytes that are not UTF-8 as `\xff`, a backslash as `\\`.
/// The result is one line of valid UTF-8 and names exactly one byte string.
std::string escape(std::string_view bytes);

/// For a serialized JSON document: the deceptive characters that a JSON serializer leaves raw, as `\u` escapes.
/// They can stand inside strings only, so the document's meaning is the same.
std::string escape_json(std::string_view document);

}  // namespace driftd::manifests
