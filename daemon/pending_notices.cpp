#include "daemon/pending_notices.hpp"

#include <algorithm>

namespace driftd::daemon {

using scanner::Notice;
using scanner::OpenDrift;

void PendingNotices::opened(const OpenDrift& drift, Time since) {
  Notice& notice = drift.notice;
  if (notice.state == Notice::State::none) notice = {Notice::State::waiting, since + delay_};
  if (notice.state == Notice::State::waiting) await(notice.due);
}

std::vector<const OpenDrift*> PendingNotices::take_due(const std::map<std::string, OpenDrift>& open, Time now) {
  std::vector<const OpenDrift*> due;
  const bool may_be_due = left_ || (next_ && *next_ <= now);
  if (!may_be_due) return due;
  next_.reset();
  left_ = false;
  for (const auto& [path, drift] : open) {
    if (drift.notice.state != Notice::State::waiting) continue;
    if (drift.notice.due > now) {
      await(drift.notice.due);
    } else if (drift.outdated) {
      left_ = true;
    } else {
      drift.notice.state = Notice::State::told;
      due.push_back(&drift);
    }
  }
  std::stable_sort(due.begin(), due.end(),
                   [](const OpenDrift* a, const OpenDrift* b) { return a->notice.due < b->notice.due; });
  return due;
}

void PendingNotices::await(Time due) { next_ = next_ ? std::min(*next_, due) : due; }

}  // namespace driftd::daemon
