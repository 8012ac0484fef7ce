#include "daemon/log.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace driftd::daemon {
namespace {

/// `$JOURNAL_STREAM` names the journal's socket by device and inode (systemd.exec(5)).
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return false;
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

/// `<3>` and the like, for the pattern flag `%*`.
class Priority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    char priority = '6';
    switch (message.level) {
      case spdlog::level::critical: priority = '2'; break;
      case spdlog::level::err: priority = '3'; break;
      case spdlog::level::warn: priority = '4'; break;
      case spdlog::level::debug:
      case spdlog::level::trace: priority = '7'; break;
      default: break;
    }
    out.push_back('<');
    out.push_back(priority);
    out.push_back('>');
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }
};

}  // namespace

void set_up_log() {
  auto logger = std::make_shared<spdlog::logger>("driftd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<Priority>('*');
  formatter->set_pattern(stderr_is_journal() ? "%*%v" : "%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void set_log_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::set_level(spdlog::level::debug);
    case LogLevel::info: return spdlog::set_level(spdlog::level::info);
    case LogLevel::warning: return spdlog::set_level(spdlog::level::warn);
    case LogLevel::error: return spdlog::set_level(spdlog::level::err);
  }
}

}  // namespace driftd::daemon
