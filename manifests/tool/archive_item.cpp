#include "manifests/tool/archive_item.hpp"

#include <limits>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "manifests/digest.hpp"
#include "manifests/escape.hpp"
#include "manifests/manifest.hpp"
#include "manifests/tool/archive_members.hpp"
#include "manifests/tool/posix_acl.hpp"

namespace driftd::manifests::tool {
namespace {

using scanner::FileType;

Error refused(const std::string& path, std::string_view why) {
  return {ErrorCode::format, "'" + escape(path) + "': " + std::string(why)};
}

std::optional<FileType> type_of(archive_entry* entry) {
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG: return FileType::file;
    case AE_IFDIR: return FileType::directory;
    case AE_IFLNK: return FileType::symlink;
    case AE_IFIFO: return FileType::fifo;
    case AE_IFSOCK: return FileType::socket;
    case AE_IFCHR: return FileType::character_device;
    case AE_IFBLK: return FileType::block_device;
    default: return std::nullopt;
  }
}

bool take_number(la_int64_t number, std::uint32_t& id) {
  if (number < 0 || number > std::numeric_limits<std::uint32_t>::max()) return false;
  id = static_cast<std::uint32_t>(number);
  return true;
}

/// Names that no manifest can hold give way to the number.
std::optional<std::string> account(const char* name) {
  if (name == nullptr || !is_account_name(name)) return std::nullopt;
  return name;
}

Digest digest_of(std::string_view raw) {
  Blake3 hash;
  hash.update(raw);
  return hash.finish();
}

void take_xattrs(archive_entry* entry, scanner::Observed& seen) {
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  archive_entry_xattr_reset(entry);
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    const std::string_view raw(static_cast<const char*>(value), size);
    if (std::string_view(name) == "security.capability" && seen.type == FileType::file) seen.capability = raw;
    if (std::string_view(name) == "system.posix_acl_access") seen.acl = digest_of(raw);
  }
}

std::optional<AclEntry> acl_entry(int tag, int permissions, int id, const char* name,
                                  const scanner::Accounts& accounts) {
  AclEntry entry;
  entry.permissions = static_cast<std::uint16_t>(permissions & 7);
  switch (tag) {
    case ARCHIVE_ENTRY_ACL_USER_OBJ: entry.tag = AclEntry::user_owner; return entry;
    case ARCHIVE_ENTRY_ACL_GROUP_OBJ: entry.tag = AclEntry::group_owner; return entry;
    case ARCHIVE_ENTRY_ACL_MASK: entry.tag = AclEntry::mask; return entry;
    case ARCHIVE_ENTRY_ACL_OTHER: entry.tag = AclEntry::other; return entry;
    case ARCHIVE_ENTRY_ACL_USER: entry.tag = AclEntry::user; break;
    case ARCHIVE_ENTRY_ACL_GROUP: entry.tag = AclEntry::group; break;
    default: return std::nullopt;
  }
  if (id >= 0) {
    entry.id = static_cast<std::uint32_t>(id);
    return entry;
  }
  const std::string known(name == nullptr ? "" : name);
  const auto number = entry.tag == AclEntry::user ? accounts.uid(known) : accounts.gid(known);
  if (!number) return std::nullopt;
  entry.id = *number;
  return entry;
}

/// From the lists in pax headers, which libarchive has parsed. It moves the three entries that a mode can say into the
/// mode; where there is a mask, the mode's group bits are to be that, as stat(2) shows them. Beside the list, GNU tar
/// may have stored the kernel's bytes as well (--xattrs-include), which need no names.
Result<void> take_acl(archive_entry* entry, const scanner::Accounts& accounts, SourceItem& item) {
  constexpr int kKind = ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
  if (archive_entry_acl_reset(entry, kKind) == 0) return {};
  std::vector<AclEntry> list;
  bool all_known = true;
  int kind = 0;
  int permissions = 0;
  int tag = 0;
  int id = 0;
  const char* name = nullptr;
  while (archive_entry_acl_next(entry, kKind, &kind, &permissions, &tag, &id, &name) == ARCHIVE_OK) {
    const auto one = acl_entry(tag, permissions, id, name, accounts);
    if (!one && !item.seen.acl) {
      return refused(item.path, "its access list names '" + escape(name == nullptr ? "" : name) +
                                    "', whom this machine does not know; use --mode exec, or an archive with numbers");
    }
    all_known = all_known && one;
    if (!one) continue;
    if (one->tag == AclEntry::mask) item.seen.mode = (item.seen.mode & ~070U) | (one->permissions * 8U);
    list.push_back(*one);
  }
  const Digest digest = digest_of(acl_bytes(std::move(list)));
  if (item.seen.acl && all_known && *item.seen.acl != digest) {
    return refused(item.path, "has two access lists that differ; which one counts depends on who unpacks it");
  }
  if (!item.seen.acl) item.seen.acl = digest;
  return {};
}

}  // namespace

Result<SourceItem> item_of(archive_entry* entry, Acls acls, const scanner::Accounts& accounts) {
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr) return Error{ErrorCode::format, "an entry has a name that cannot be read"};
  auto path = member_path(name);
  if (!path) return path.error();
  SourceItem item;
  item.path = std::move(*path);
  const auto type = type_of(entry);
  if (!type) return refused(item.path, "of a type that is no file, directory, link, device, FIFO or socket");
  item.seen.type = *type;
  item.seen.mode = archive_entry_perm(entry) & 07777U;
  if (!take_number(archive_entry_uid(entry), item.seen.uid) || !take_number(archive_entry_gid(entry), item.seen.gid)) {
    return refused(item.path, "the owner's number does not fit into 32 bits");
  }
  item.uname = account(archive_entry_uname(entry));
  item.gname = account(archive_entry_gname(entry));
  if (*type == FileType::symlink) {
    const char* target = archive_entry_symlink(entry);
    if (target == nullptr || *target == '\0') return refused(item.path, "a link without a target");
    item.seen.target = target;
    return item;
  }
  if (*type == FileType::file || *type == FileType::directory) take_xattrs(entry, item.seen);
  if (acls == Acls::take) {
    if (auto taken = take_acl(entry, accounts, item); !taken) return taken.error();
  }
  return item;
}

}  // namespace driftd::manifests::tool
