#include "manifests/trust_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string_view>
#include <utility>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::manifests {
namespace {

constexpr std::size_t kMaxRevokedFile = 1024 * 1024;
constexpr std::string_view kKeySuffix = ".pub";

Error refuse(const std::string& path, std::string_view why) {
  return {ErrorCode::trust, escape(path) + ": " + std::string(why)};
}

Error refuse(const std::string& path, int error) {
  Error result = system_error(path, error);
  result.code = ErrorCode::trust;
  return result;
}

/// Nobody but root may have a say in what is trusted.
Result<void> check_owner(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return refuse(path, errno);
  if (status.st_uid != 0) return refuse(path, "must belong to root (chown root)");
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return refuse(path, "must not be writable by group or others (chmod go-w)");
  }
  return {};
}

Result<std::string> read_trusted(int directory, const std::string& name, const std::string& path, std::size_t limit) {
  const UniqueFd fd = open_to_read(directory, name, O_NOFOLLOW);
  if (!fd && errno == ELOOP) return refuse(path, "is a symbolic link, which is not followed here");
  if (!fd) return refuse(path, errno);
  if (auto owned = check_owner(fd.get(), path); !owned) return owned.error();
  auto text = read_all(fd.get(), path, limit);
  if (!text) return Error{ErrorCode::trust, text.error().message};
  return text;
}

Result<std::vector<minisign::KeyId>> parse_revoked(std::string_view text, const std::string& path) {
  std::vector<minisign::KeyId> ids;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    line = line.substr(0, line.find('#'));
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto id = minisign::parse_key_id(line);
    if (!id) return refuse(path, "line " + std::to_string(number) + ": not a key id of 16 hexadecimal digits (A-F)");
    ids.push_back(*id);
  }
  return ids;
}

Result<std::vector<std::string>> list(int directory, const std::string& path) {
  UniqueFd own = open_to_read(directory, ".", O_DIRECTORY);
  if (!own) return refuse(path, errno);
  std::vector<std::string> names;
  const auto listed = for_each_name(std::move(own), path, [&](std::string_view name) { names.emplace_back(name); });
  if (!listed) return Error{ErrorCode::trust, listed.error().message};
  std::sort(names.begin(), names.end());
  return names;
}

using PublicBytes = decltype(minisign::PublicKey::bytes);

struct Gathered {
  std::vector<NamedKey> keys;
  std::vector<minisign::KeyId> revoked;
};

Result<void> gather(const std::string& path, Gathered& gathered) {
  const UniqueFd directory = open_to_read(AT_FDCWD, path, O_DIRECTORY | O_NOFOLLOW);
  if (!directory && errno == ENOENT) return {};
  if (!directory) return refuse(path, errno);
  if (auto owned = check_owner(directory.get(), path); !owned) return owned;
  const auto names = list(directory.get(), path);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string file = path + "/" + name;
    if (name == "revoked") {
      const auto text = read_trusted(directory.get(), name, file, kMaxRevokedFile);
      if (!text) return text.error();
      const auto ids = parse_revoked(*text, file);
      if (!ids) return ids.error();
      gathered.revoked.insert(gathered.revoked.end(), ids->begin(), ids->end());
    } else if (name.size() > kKeySuffix.size() && name.ends_with(kKeySuffix)) {
      const auto text = read_trusted(directory.get(), name, file, minisign::kMaxKeyFile);
      if (!text) return text.error();
      const auto key = minisign::parse_public_key(*text);
      if (!key) return Error{ErrorCode::trust, escape(file) + ": " + key.error().message};
      gathered.keys.push_back({name.substr(0, name.size() - kKeySuffix.size()), *key});
    }
  }
  return {};
}

}  // namespace

Result<TrustStore> load_trust_store(const std::vector<std::string>& directories) {
  Gathered gathered;
  for (const std::string& directory : directories) {
    if (auto done = gather(directory, gathered); !done) return done.error();
  }
  TrustStore store;
  store.revoked_ids = gathered.revoked;
  std::set<PublicBytes> revoked;
  for (const NamedKey& key : gathered.keys) {
    const bool has_revoked_id =
        std::find(gathered.revoked.begin(), gathered.revoked.end(), key.key.id) != gathered.revoked.end();
    if (has_revoked_id) revoked.insert(key.key.bytes);
  }
  for (NamedKey& key : gathered.keys) {
    if (revoked.contains(key.key.bytes)) {
      store.revoked.push_back(std::move(key));
    } else {
      store.keys.push_back(std::move(key));
    }
  }
  return store;
}

Result<TrustPolicy> TrustStore::policy(const std::vector<std::string>& names, unsigned threshold) const {
  TrustPolicy policy;
  policy.threshold = threshold;
  policy.revoked_ids = revoked_ids;
  for (const NamedKey& key : revoked) policy.revoked.push_back(key.key);
  for (const std::string& name : names) {
    const auto has_name = [&](const NamedKey& key) { return key.name == name; };
    if (std::none_of(keys.begin(), keys.end(), has_name) && std::none_of(revoked.begin(), revoked.end(), has_name)) {
      return Error{ErrorCode::trust, "no trust directory has a usable key '" + escape(name) + ".pub'"};
    }
  }
  const auto is_wanted = [&](const NamedKey& key) {
    return names.empty() || std::find(names.begin(), names.end(), key.name) != names.end();
  };
  std::set<PublicBytes> different;
  for (const NamedKey& key : keys) {
    if (!is_wanted(key)) continue;
    policy.keys.push_back(key.key);
    different.insert(key.key.bytes);
  }
  for (const NamedKey& key : revoked) {
    if (is_wanted(key)) different.insert(key.key.bytes);
  }
  if (different.empty()) {
    return Error{ErrorCode::trust, "no trusted key: put the release key's .pub file into a trust directory"};
  }
  if (different.size() < threshold) {
    return Error{ErrorCode::trust, "the threshold is " + std::to_string(threshold) + " different keys, there are " +
                                       std::to_string(different.size()) + ": it could never be met"};
  }
  return policy;
}

Result<minisign::PublicKey> load_public_key(const std::string& path) {
  const auto text = read_file(path, minisign::kMaxKeyFile);
  if (!text) return text.error();
  auto key = minisign::parse_public_key(*text);
  if (!key) return with_context(path, key.error());
  return key;
}

}  // namespace driftd::manifests
