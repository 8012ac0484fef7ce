#include "daemon/scan_display.hpp"

#include <new>
#include <utility>

#include "manifests/progress_line.hpp"

namespace driftd::daemon {

using manifests::EntryIndex;
using manifests::Manifest;

ScanDisplay::ScanDisplay(const Manifest& manifest, const scanner::Scope& scope,
                         std::shared_ptr<const scanner::ScanProgress> progress)
    : progress_(std::move(progress)) {
  const auto add = [&](EntryIndex first, EntryIndex end) {
    entries_ += end - first;
    for (EntryIndex entry = first; entry < end; ++entry) {
      const bool is_hashed = manifest.blake3(entry) != nullptr || manifest.sha256(entry) != nullptr;
      if (is_hashed) bytes_ += manifest.size_of(entry).value_or(0);
    }
  };
  if (scope.is_whole()) add(0, manifest.size());
  for (const manifests::RelPath& path : scope.paths()) {
    if (const auto entry = manifest.find(path.str())) add(*entry, manifest.subtree_end(*entry));
  }
  thread_ = std::jthread([this](const std::stop_token& stop) {
    try {
      draw_until(stop);
    } catch (const std::bad_alloc&) {  // whoever needs memory for more than this will say so
    }
  });
}

void ScanDisplay::draw_until(const std::stop_token& stop) {
  constexpr std::chrono::milliseconds kBeforeTheFirst{500};
  constexpr std::chrono::milliseconds kBetween{200};
  manifests::TerminalLine line;
  std::unique_lock lock(mutex_);
  for (auto wait = kBeforeTheFirst;; wait = kBetween) {
    stopped_.wait_for(lock, stop, wait, [] { return false; });
    if (stop.stop_requested()) return;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const auto done = progress_->totals();
    line.draw(manifests::progress_line({"entries", done.entries, entries_, done.bytes, bytes_, seconds},
                                       manifests::TerminalLine::columns()));
  }
}

}  // namespace driftd::daemon
