#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/check.hpp"

/// Phrases that the reports share. All of them are safe to show, and one line.
namespace driftd::daemon {

enum class Colour { none, ansi };

/// In the terminal's colour of that code, as in `1;31`.
std::string paint(std::string_view text, std::string_view code, Colour colour);
std::string verdict_text(Verdict verdict, Colour colour);

/// `3 min`, in the largest unit that says enough.
std::string lasting(std::int64_t seconds);

/// `3 min ago`.
std::string ago(std::int64_t seconds);

/// `1 entry`, `2 entries`.
std::string count(std::uint64_t number, std::string_view one, std::string_view many);
/// `3 of 12 entries`; or `30 paths, 12 entries`, as what was added is none.
std::string share_of_drift(std::uint64_t drift, std::uint64_t entries);

/// `signed by 379A90A0 on 2026-11-21`.
std::string signed_by(const manifests::VerifiedManifest& manifest);

/// `EXPIRED 12 d ago`, or nothing; `now` is when the check was.
std::string expiry(const manifests::VerifiedManifest& manifest, std::int64_t now, Colour colour);
std::string expiry(const TreeReport& tree, std::int64_t now, Colour colour);

/// `size 812 -> 816, content`: what is wrong at a path, expected before actual.
std::string describe(const scanner::Finding& finding);

/// An absolute path from the one in a finding, raw bytes.
std::string path_below(const std::string& root, std::string_view path);
std::string path_on_host(const TreeReport& tree, std::string_view path);

/// Raw bytes as one word for a shell that knows `$'...'`, in printable ASCII. Names can hold anything, and commands
/// that we print are typed.
std::string shell_word(std::string_view raw);

}  // namespace driftd::daemon
