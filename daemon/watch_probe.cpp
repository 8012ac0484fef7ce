#include "daemon/watch_probe.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <spdlog/spdlog.h>

#include "manifests/unique_fd.hpp"

namespace driftd::daemon {
namespace {

using manifests::Result;
using manifests::UniqueFd;

constexpr auto kInterval = std::chrono::minutes(1);
/// Events take milliseconds, but the host may be busy. Ticks and not time, so that a daemon that was stopped for a
/// while, and its watcher with it, does not take itself for blind.
constexpr unsigned kMostTicks = 5;
constexpr const char* kName = "probe";

/// A change that writes nothing to the disk: the kernel tells of the end of each descriptor that could write.
Result<void> change(const std::string& directory) {
  const std::string path = directory + "/" + kName;
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!file) return manifests::system_error(path, errno);
  return {};
}

}  // namespace

Result<WatchProbe::Sign> WatchProbe::prepare(const std::string& directory, scanner::Watcher& watcher) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return manifests::system_error(directory, errno);
  const auto opened = scanner::TreeRoot::open(directory);
  if (!opened) return opened.error();
  const auto file_system = watcher.watch_names_in(*opened);
  if (!file_system) return file_system.error();
  auto handle = scanner::handle_of(opened->fd.get(), "");
  if (!handle) return handle.error();
  return Sign{*file_system, std::move(*handle)};
}

void WatchProbe::on_tick(Clock::time_point now) {
  if (sign_) {
    const bool is_changed = changed_->load() != Clock::time_point{};
    if (is_changed && ++ticks_ > kMostTicks) fail();
  } else if (!preparing_ && now >= next_) {
    next_ = now + kInterval;
    begin();
  }
}

void WatchProbe::begin() {
  watcher_ = hub_.on_trial();
  if (!watcher_) return;
  preparing_ = true;
  workers_.record(
      [watcher = watcher_, directory = directory_](const WorkContext&) { return prepare(directory, *watcher); },
      [weak = weak_from_this()](const Result<Sign>& sign) {
        if (const auto self = weak.lock()) self->on_prepared(sign);
      });
}

void WatchProbe::on_prepared(const Result<Sign>& sign) {
  preparing_ = false;
  if (!sign) return give_up(sign.error().message);
  sign_ = *sign;
  ticks_ = 0;
  changed_ = std::make_shared<BeginTime>();
  workers_.record(
      [directory = directory_, changed = changed_](const WorkContext&) {
        changed->store(Clock::now());
        return change(directory);
      },
      [weak = weak_from_this()](const Result<void>& done) {
        if (const auto self = weak.lock(); self && !done) self->give_up(done.error().message);
      });
}

void WatchProbe::give_up(const std::string& why) {
  if (why != told_) spdlog::warn("watching cannot test itself: {}", why);
  told_ = why;
  ++results_.omissions;
  pass();
}

void WatchProbe::on_batch(const scanner::WatchBatch& batch) {
  if (!sign_) return;
  if (batch.overflow) {
    // The sign may be among what was lost, by a watcher that is alive.
    sign_.reset();
    watcher_.reset();
    return hurry();
  }
  const bool is_told = std::any_of(batch.events.begin(), batch.events.end(), [&](const scanner::WatchEvent& event) {
    return event.file_system == sign_->file_system && event.handle_type == sign_->directory.type &&
           event.handle == sign_->directory.bytes && event.name == kName;
  });
  if (!is_told) return;
  results_.latency = std::chrono::duration<double>(Clock::now() - changed_->load()).count();
  told_.clear();
  pass();
}

void WatchProbe::pass() {
  sign_.reset();
  if (hub_.passed(watcher_)) owner_.recovered();
  watcher_.reset();
}

void WatchProbe::fail() {
  sign_.reset();
  watcher_.reset();
  ++results_.failures;
  owner_.failed("a change in " + directory_ + " was not told");
}

}  // namespace driftd::daemon
