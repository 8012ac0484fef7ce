#include "manifests/tool/imported_tree.hpp"

#include <utility>

#include "manifests/escape.hpp"
#include "manifests/rel_path.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr std::size_t kShown = 80;

Error refuse(std::string_view path, std::string_view why) {
  return {ErrorCode::format, "'" + escape(path.substr(0, kShown)) + "': " + std::string(why)};
}

const char* why_no_component(std::string_view name) {
  if (name.empty()) return "an empty name between slashes";
  if (name == "." || name == "..") return "'.' and '..' may not stand within a path";
  if (name.find('\0') != std::string_view::npos) return "a name holds NUL";
  if (name.find('/') != std::string_view::npos) return "an escaped slash can be part of no name";
  return "a name is longer than 255 bytes";
}

}  // namespace

Result<void> ImportedTree::add(std::string_view path, Entry entry) {
  const std::string_view given = path;
  Node* node = &root_;
  if (path != "." && path != "./") {
    if (path.starts_with('/')) return refuse(given, "an absolute path; a release is listed from its own root");
    if (path.starts_with("./")) path.remove_prefix(2);
    if (path.ends_with('/')) path.remove_suffix(1);
    if (path.size() > kMaxPath) return refuse(given, "longer than 4096 bytes");
    for (std::string_view rest = path;;) {
      const std::size_t slash = rest.find('/');
      const std::string_view name = rest.substr(0, slash);
      if (!is_component(name)) return refuse(given, why_no_component(name));
      node = &node->children.try_emplace(std::string(name)).first->second;
      if (slash == std::string_view::npos) break;
      rest.remove_prefix(slash + 1);
    }
  }
  if (node->listed) return refuse(given, "stands twice");
  node->listed = true;
  node->entry = std::move(entry);
  return {};
}

Result<void> ImportedTree::put(ManifestBuilder& builder, const std::string& path, const Node& node) {
  Entry implied;
  implied.type = EntryType::directory;
  const Entry& entry = node.listed ? node.entry : implied;
  if (!node.children.empty() && (entry.type != EntryType::directory || entry.ignore)) {
    return refuse(path, entry.ignore ? "its content is ignored, and is listed all the same"
                                     : "is no directory, and something below it is listed");
  }
  if (auto added = builder.add(path, entry); !added) return added;
  for (const auto& [name, child] : node.children) {
    if (auto done = put(builder, path == "." ? name : path + "/" + name, child); !done) return done;
  }
  return {};
}

Result<Manifest> ImportedTree::finish(Header header) && {
  ManifestBuilder builder(std::move(header));
  if (auto done = put(builder, ".", root_); !done) return done.error();
  return std::move(builder).finish();
}

}  // namespace driftd::manifests::tool
