#include "scanner/accounts.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "manifests/file_io.hpp"

namespace driftd::scanner {
namespace {

constexpr std::size_t kMaxFile = 64 * 1024 * 1024;

std::string_view take_field(std::string_view& line) {
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  line.remove_prefix(colon == std::string_view::npos ? line.size() : colon + 1);
  return field;
}

manifests::Result<std::string> read_if_there(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return std::string();
  return manifests::read_file(path, kMaxFile);
}

}  // namespace

Accounts::Names Accounts::parse_names(std::string_view file) {
  Names names;
  while (!file.empty()) {
    const std::size_t end = file.find('\n');
    std::string_view line = file.substr(0, end);
    file.remove_prefix(end == std::string_view::npos ? file.size() : end + 1);
    const std::string_view name = take_field(line);
    take_field(line);  // the password's place
    const std::string_view number = take_field(line);
    std::uint32_t value = 0;
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (name.empty() || number.empty() || error != std::errc() || stop != number.data() + number.size()) continue;
    // As for the C library: the first line with a name or number decides.
    names.by_name.try_emplace(std::string(name), value);
    names.by_number.try_emplace(value, name);
  }
  return names;
}

Accounts Accounts::parse(std::string_view passwd, std::string_view group) {
  Accounts accounts;
  accounts.users_ = parse_names(passwd);
  accounts.groups_ = parse_names(group);
  return accounts;
}

manifests::Result<Accounts> Accounts::load(const std::string& passwd, const std::string& group) {
  std::vector<Source> sources{look_at(passwd), look_at(group)};
  const auto users = read_if_there(passwd);
  if (!users) return users.error();
  const auto groups = read_if_there(group);
  if (!groups) return groups.error();
  Accounts accounts = parse(*users, *groups);
  accounts.sources_ = std::move(sources);
  return accounts;
}

Accounts::Source Accounts::look_at(const std::string& path) {
  const FileTime before = FileTime::now();
  struct statx status;  // NOLINT: filled by the kernel
  if (::statx(AT_FDCWD, path.c_str(), 0, ChangeStamp::kStatxMask, &status) != 0)
    return {path, std::nullopt, errno == ENOENT};
  const ChangeStamp stamp = ChangeStamp::of(status);
  return {path, stamp, stamp.told_apart(before)};
}

bool Accounts::are_current() const {
  return std::all_of(sources_.begin(), sources_.end(), [](const Source& source) {
    return source.is_told_apart && look_at(source.path).stamp == source.stamp;
  });
}

manifests::Result<Accounts> Accounts::load_again() const {
  if (sources_.empty()) return *this;
  return load(sources_[0].path, sources_[1].path);
}

}  // namespace driftd::scanner
