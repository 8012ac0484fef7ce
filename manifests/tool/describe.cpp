#include "manifests/tool/describe.hpp"

#include <cstdio>

#include "manifests/base64.hpp"
#include "manifests/escape.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr const char* kNotRecorded = "-";

/// A number is told from a name that consists of digits.
std::string account(const std::optional<std::string>& name, const std::optional<std::uint32_t>& number,
                    const char* kind) {
  if (name) return *name;
  return number ? std::string(kind) + " " + std::to_string(*number) : kNotRecorded;
}

std::string yes_or_no(bool value) { return value ? "yes" : "no"; }

std::string capability_text(const Attributes& attributes) {
  if (!attributes.capability) return kNotRecorded;
  const std::string& raw = *attributes.capability;
  return to_base64({reinterpret_cast<const unsigned char*>(raw.data()), raw.size()}, Base64::url_without_padding);
}

/// Digests by different algorithms cannot be compared, so that one is recorded and the other not is a change of its
/// own.
void compare_digests(const Entry& before, const Entry& after, std::vector<Change>& changes) {
  const bool blake3_tells = before.blake3 && after.blake3 && before.blake3 != after.blake3;
  const bool sha256_tells = before.sha256 && after.sha256 && before.sha256 != after.sha256;
  if (blake3_tells) {
    changes.push_back({"content", short_digest(before.blake3), short_digest(after.blake3)});
  } else if (sha256_tells) {
    changes.push_back({"content", short_digest(before.sha256), short_digest(after.sha256)});
  }
  if (before.blake3.has_value() != after.blake3.has_value()) {
    changes.push_back({"blake3", short_digest(before.blake3), short_digest(after.blake3)});
  }
  if (before.sha256.has_value() != after.sha256.has_value()) {
    changes.push_back({"sha256", short_digest(before.sha256), short_digest(after.sha256)});
  }
}

}  // namespace

std::string_view type_word(EntryType type) {
  switch (type) {
    case EntryType::file: return "file";
    case EntryType::directory: return "dir";
    case EntryType::symlink: return "link";
  }
  return {};
}

std::string owner_text(const Attributes& attributes) { return account(attributes.uname, attributes.uid, "uid"); }

std::string group_text(const Attributes& attributes) { return account(attributes.gname, attributes.gid, "gid"); }

std::string owner_and_group(const Attributes& attributes) {
  const auto part = [](const auto& name, const auto& number) {
    return name ? *name : number ? std::to_string(*number) : std::string(kNotRecorded);
  };
  if (!attributes.uname && !attributes.uid && !attributes.gname && !attributes.gid) return kNotRecorded;
  return part(attributes.uname, attributes.uid) + ":" + part(attributes.gname, attributes.gid);
}

std::string mode_text(const Entry& entry) {
  if (!entry.attributes.mode) return entry.executable ? "exec" : entry.any_exec ? "any" : kNotRecorded;
  char text[16];
  std::snprintf(text, sizeof text, "%04o", *entry.attributes.mode);
  return text;
}

std::string size_text(const Entry& entry) { return entry.size ? std::to_string(*entry.size) : kNotRecorded; }

std::string short_digest(const std::optional<Digest>& digest) {
  constexpr std::size_t kShort = 12;
  return digest ? to_hex(*digest).substr(0, kShort) : kNotRecorded;
}

std::vector<Change> changes_between(const Entry& before, const Entry& after) {
  if (before.type != after.type) {
    return {{"type", std::string(type_word(before.type)), std::string(type_word(after.type))}};
  }
  const Attributes& old = before.attributes;
  const Attributes& fresh = after.attributes;
  std::vector<Change> changes;
  const auto compare = [&](std::string_view what, std::string was, std::string is) {
    if (was != is) changes.push_back({what, std::move(was), std::move(is)});
  };
  compare("size", size_text(before), size_text(after));
  compare_digests(before, after, changes);
  if (old.mode || fresh.mode) {
    compare("mode", mode_text(before), mode_text(after));
  } else {
    const auto executable = [](const Entry& entry) {
      return entry.any_exec ? std::string("any") : yes_or_no(entry.executable);
    };
    compare("executable", executable(before), executable(after));
  }
  compare("owner", owner_text(old), owner_text(fresh));
  compare("group", group_text(old), group_text(fresh));
  compare("target", escape(old.link.value_or("")), escape(fresh.link.value_or("")));
  compare("capability", capability_text(old), capability_text(fresh));
  if (old.acl != fresh.acl) changes.push_back({"acl", short_digest(old.acl), short_digest(fresh.acl)});
  compare("optional", yes_or_no(before.optional), yes_or_no(after.optional));
  compare("ignore", yes_or_no(before.ignore), yes_or_no(after.ignore));
  return changes;
}

}  // namespace driftd::manifests::tool
