#include "manifests/last_words.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>
#include <system_error>

namespace driftd::manifests {
namespace {

LastWords g_words{"", STDERR_FILENO, EXIT_FAILURE};  // NOLINT: a terminate handler is given nothing

/// Where this is needed there may be no memory: nothing here allocates, and the line is written in one piece.
void say(const char* what, const char* advice) noexcept {
  std::array<char, 512> line{};
  std::snprintf(line.data(), line.size() - 1, "%s%s%s", g_words.introduction, what, advice);
  const std::string_view text(line.data());
  // Of whatever it is, nothing may control a terminal, nor begin a plugin's performance data.
  const auto is_harmless = [](char c) { return c >= ' ' && c <= '~' && c != '|'; };
  std::replace_if(
      line.begin(), line.begin() + text.size(), [&](char c) { return !is_harmless(c); }, '?');
  line[text.size()] = '\n';
  (void)!::write(g_words.descriptor, line.data(), text.size() + 1);
}

void say_what_happened() noexcept {
  if (!std::current_exception()) return say("internal error; please report this", "");
  try {
    throw;
  } catch (const std::bad_alloc&) {
    say("not enough memory to go on", "; free some, or raise the limit (ulimit -v)");
  } catch (const std::exception& exception) {
    // What the standard library and Boost throw where there is no room for a thread tells only that.
    const std::string_view what(exception.what());
    const bool has_no_room = what.find("Resource temporarily unavailable") != std::string_view::npos;
    say(exception.what(), has_no_room ? "; no room for another thread: raise the limits (ulimit -u, -v)" : "");
  } catch (...) {
    say("internal error; please report this", "");
  }
}

}  // namespace

void set_last_words(const LastWords& words) {
  g_words = words;
  std::set_terminate(end_with_last_words);
}

void end_with_last_words() noexcept {
  static std::atomic_flag is_ending;
  // Whoever runs out of memory while another does so leaves the word to that one, which ends both.
  while (is_ending.test_and_set()) ::pause();
  say_what_happened();
  std::_Exit(g_words.exit_code);
}

}  // namespace driftd::manifests
