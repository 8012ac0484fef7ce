#include "manifests/tool/archive_members.hpp"

#include "manifests/escape.hpp"
#include "manifests/manifest.hpp"
#include "manifests/rel_path.hpp"

namespace driftd::manifests::tool {
namespace {

Error refused(std::string_view name, std::string_view why) {
  constexpr std::size_t kShown = 200;
  const std::string tail = name.size() > kShown ? "..." : "";
  return {ErrorCode::format, "'" + escape(name.substr(0, kShown)) + tail + "': " + std::string(why)};
}

}  // namespace

Result<std::string> member_path(std::string_view name) {
  if (name.empty()) return Error{ErrorCode::format, "an entry has no name"};
  if (name.starts_with('/')) return refused(name, "an absolute path; make the archive with paths below its root");
  std::string path;
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t slash = rest.find('/');
    const std::string_view component = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (component.empty() || component == ".") continue;
    if (component == "..") return refused(name, "'..' leads out of where the archive is unpacked");
    if (component.size() > kMaxComponent) return refused(name, "a component is longer than 255 bytes");
    if (!is_component(component)) return refused(name, "holds a NUL");
    if (!path.empty()) path += '/';
    path += component;
  }
  if (path.size() > kMaxPath) return refused(name, "longer than 4096 bytes");
  return path.empty() ? "." : path;
}

Result<void> ArchiveMembers::add(const SourceItem& item) {
  using scanner::FileType;
  for (std::size_t slash = item.path.find('/'); slash != std::string::npos; slash = item.path.find('/', slash + 1)) {
    const std::string above = item.path.substr(0, slash);
    // One that the archive does not list is made by whoever unpacks it.
    if (members_.try_emplace(above).first->second.type != FileType::directory) {
      return refused(item.path, "lies below '" + escape(above) + "', which is a " +
                                    std::string(to_string(members_.at(above).type)) + " in this archive");
    }
  }
  if (item.path == "." && item.seen.type != FileType::directory) {
    return refused(item.path, "the archive's root is no directory");
  }
  const auto [at, fresh] = members_.try_emplace(item.path);
  if (!fresh && (item.seen.type != FileType::directory || at->second.type != FileType::directory)) {
    return refused(item.path, "stands twice in the archive; which one is left depends on who unpacks it");
  }
  if (members_.size() > kMaxEntries) return refused(item.path, "more than 10,000,000 entries");
  at->second.type = item.seen.type;
  if (item.seen.type == FileType::file) at->second.file = std::make_unique<SourceItem>(item);
  return {};
}

Result<const SourceItem*> ArchiveMembers::linked_file(const std::string& path) const {
  const auto at = members_.find(path);
  if (at == members_.end()) return refused(path, "a hard link to it, but it is not in the archive before the link");
  if (!at->second.file) {
    return refused(path, "a hard link to it, but it is a " + std::string(to_string(at->second.type)));
  }
  return at->second.file.get();
}

}  // namespace driftd::manifests::tool
