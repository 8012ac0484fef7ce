#include "manifests/tool/difference.hpp"

#include <algorithm>
#include <iterator>

namespace driftd::manifests::tool {
namespace {

class Comparer {
 public:
  Comparer(const Manifest& before, const Manifest& after, const std::function<void(const Difference&)>& visit)
      : before_(before), after_(after), visit_(visit) {}

  /// Both stand at the same path. As deep as a path has components, which the format limits to 2,048.
  void compare(EntryIndex before, EntryIndex after) {
    if (before_.entry(before) != after_.entry(after)) {
      visit_({DifferenceKind::changed, shown_path(after_, after), before, after});
    }
    const auto old = before_.children(before);
    const auto fresh = after_.children(after);
    auto at = old.begin();
    auto other = fresh.begin();
    while (at != old.end() || other != fresh.end()) {
      const int order = at == old.end()        ? 1
                        : other == fresh.end() ? -1
                                               : before_.name(*at).compare(after_.name(*other));
      if (order == 0) {
        compare(*at++, *other++);
      } else if (order < 0) {
        const EntryIndex end = before_.subtree_end(*at);
        for (EntryIndex gone = *at; gone < end; ++gone) {
          visit_({DifferenceKind::removed, before_.path(gone), gone, 0});
        }
        ++at;
      } else {
        const EntryIndex end = after_.subtree_end(*other);
        for (EntryIndex added = *other; added < end; ++added) {
          visit_({DifferenceKind::added, after_.path(added), 0, added});
        }
        ++other;
      }
    }
  }

 private:
  static std::string shown_path(const Manifest& manifest, EntryIndex entry) {
    return entry == kRootEntry ? "." : manifest.path(entry);
  }

  const Manifest& before_;
  const Manifest& after_;
  const std::function<void(const Difference&)>& visit_;
};

std::vector<std::string> texts(const std::vector<Glob>& globs) {
  std::vector<std::string> result;
  for (const Glob& glob : globs) result.push_back(glob.text());
  return result;
}

}  // namespace

void for_each_difference(const Manifest& before, const Manifest& after,
                         const std::function<void(const Difference&)>& visit) {
  Comparer(before, after, visit).compare(kRootEntry, kRootEntry);
}

RuleDifferences compare_rules(const Header& before, const Header& after) {
  auto old = texts(before.mutable_globs);
  auto fresh = texts(after.mutable_globs);
  RuleDifferences result;
  result.reordered = old != fresh;
  std::sort(old.begin(), old.end());
  std::sort(fresh.begin(), fresh.end());
  std::set_difference(old.begin(), old.end(), fresh.begin(), fresh.end(), std::back_inserter(result.removed));
  std::set_difference(fresh.begin(), fresh.end(), old.begin(), old.end(), std::back_inserter(result.added));
  result.reordered = result.reordered && result.removed.empty() && result.added.empty();
  return result;
}

}  // namespace driftd::manifests::tool
