#include "scanner/finding.hpp"

#include <cstdlib>

#include "scanner/safe_open.hpp"

namespace driftd::scanner {

std::string_view to_string(DriftKind kind) {
  switch (kind) {
    case DriftKind::modified: return "modified";
    case DriftKind::missing: return "missing";
    case DriftKind::added: return "added";
    case DriftKind::type: return "type";
    case DriftKind::metadata: return "metadata";
    case DriftKind::target: return "target";
  }
  std::abort();
}

std::string_view to_string(Change change) {
  switch (change) {
    case Change::type: return "type";
    case Change::content: return "content";
    case Change::size: return "size";
    case Change::target: return "target";
    case Change::mode: return "mode";
    case Change::owner: return "owner";
    case Change::group: return "group";
    case Change::capability: return "capability";
    case Change::acl: return "acl";
    case Change::release: return "release";
  }
  std::abort();
}

std::string_view to_string(UnverifiedReason reason) {
  switch (reason) {
    case UnverifiedReason::permission: return "permission";
    case UnverifiedReason::unstable: return "unstable";
    case UnverifiedReason::mount: return "mount";
    case UnverifiedReason::io: return "io";
    case UnverifiedReason::stalled: return "stalled";
    case UnverifiedReason::limit: return "limit";
  }
  std::abort();
}

std::optional<FileTime> Finding::file_time() const {
  if (kind == DriftKind::missing) return gone_by;
  return changed_at ? std::optional(FileTime{*changed_at, changed_nanoseconds}) : std::nullopt;
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "." : path.substr(0, slash);
}

std::optional<ChangeStamp> parent_stamp(int root, std::string_view path) {
  const manifests::UniqueFd directory = reach_beneath(root, std::string(parent_of(path)).c_str());
  return directory ? ChangeStamp::of(directory.get()) : std::nullopt;
}

}  // namespace driftd::scanner
