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
  explicit Records(RecordEnd end) : end_(end) {}

  void add(std::string_view kind, std::string_view changes, const std::string& path) {
    text_.append(kind).append(1, '\t').append(changes).append(1, '\t');
    text_.append(end_ == RecordEnd::nul ? path : manifests::escape(path)).append(1, static_cast<char>(end_));
  }
  std::string take() { return std::move(text_); }

 private:
  const RecordEnd end_;
  std::string text_;
};

}  // namespace

std::string porcelain_report(const CheckReport& report, RecordEnd end) {
  Records records(end);
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
  return records.take();
}

}  // namespace driftd::daemon
