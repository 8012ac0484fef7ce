#include <string>
#include <string_view>

#include "daemon/report.hpp"
#include "manifests/escape.hpp"

namespace driftd::daemon {
namespace {

/// Shells take tabs in a row for one, so no field is ever empty.
constexpr std::string_view kNone = "-";

std::string changes_of(const scanner::Finding& finding) {
  std::string text;
  for (const scanner::Change change : scanner::kAllChanges) {
    if (finding.changes.has(change)) text.append(text.empty() ? "" : ",").append(to_string(change));
  }
  return text.empty() ? std::string(kNone) : text;
}

class Records {
 public:
  Records(RecordEnd end, const Print& print) : end_(end), print_(print) {}

  void add(std::string_view kind, std::string_view changes, const std::string& path) {
    record_.assign(kind).append(1, '\t').append(changes).append(1, '\t');
    record_.append(end_ == RecordEnd::nul ? path : manifests::escape(path)).append(1, static_cast<char>(end_));
    print_(record_);
  }

 private:
  const RecordEnd end_;
  const Print& print_;
  std::string record_;
};

}  // namespace

void porcelain_report(const CheckReport& report, RecordEnd end, const Print& print) {
  Records records(end, print);
  for (const TreeReport& tree : report.trees) {
    if (tree.scan) {
      for (const auto& one : tree.scan->findings) {
        records.add(to_string(one.kind), changes_of(one), path_on_host(tree, one.path));
      }
      for (const auto& one : tree.scan->pending)
        records.add("pending", to_string(one.kind), path_on_host(tree, one.path));
      for (const auto& one : tree.scan->unverified) {
        records.add("unverified", to_string(one.reason), path_on_host(tree, one.path));
      }
    }
    for (const Problem& one : tree.problems) {
      records.add("problem", one.what + ":" + one.reason, path_on_host(tree, one.path));
    }
  }
}

}  // namespace driftd::daemon
