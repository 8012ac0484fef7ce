#include "daemon/state_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <set>
#include <system_error>

#include "daemon/state_schema.hpp"
#include "manifests/digest.hpp"
#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/signed_file.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;
using manifests::UniqueFd;
using manifests::minisign::Prehash;
using manifests::minisign::PublicKey;
using sqlite::Access;
using sqlite::Database;

namespace fs = std::filesystem;

std::string database_path(const std::string& directory) { return directory + "/state.db"; }

/// A number in the database is signed; the bits are the same.
std::int64_t to_stored(std::uint64_t number) { return static_cast<std::int64_t>(number); }
std::uint64_t from_stored(std::int64_t number) { return static_cast<std::uint64_t>(number); }

Result<Prehash> to_identity(sqlite::Blob bytes) {
  Prehash identity{};
  if (bytes.size() != identity.size()) return Error{ErrorCode::io, "state.db: an identity of the wrong size"};
  std::copy(bytes.begin(), bytes.end(), identity.begin());
  return identity;
}

constexpr std::size_t kKeyIdSize = 8;
constexpr std::size_t kKeySize = kKeyIdSize + sizeof(PublicKey::bytes);

std::vector<unsigned char> pack(const std::vector<PublicKey>& keys) {
  std::vector<unsigned char> bytes;
  for (const PublicKey& key : keys) {
    for (std::size_t i = 0; i < kKeyIdSize; ++i) bytes.push_back(static_cast<unsigned char>(key.id.value >> (8 * i)));
    bytes.insert(bytes.end(), key.bytes.begin(), key.bytes.end());
  }
  return bytes;
}

Result<std::vector<PublicKey>> unpack(sqlite::Blob bytes) {
  if (bytes.empty() || bytes.size() % kKeySize != 0) return Error{ErrorCode::io, "state.db: keys of the wrong size"};
  std::vector<PublicKey> keys;
  for (; !bytes.empty(); bytes = bytes.subspan(kKeySize)) {
    PublicKey& key = keys.emplace_back();
    for (std::size_t i = 0; i < kKeyIdSize; ++i) key.id.value |= std::uint64_t{bytes[i]} << (8 * i);
    std::copy_n(bytes.begin() + kKeyIdSize, key.bytes.size(), key.bytes.begin());
  }
  return keys;
}

/// Whoever can write here can make the host forget.
Result<void> check_directory(const std::string& directory) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) return manifests::system_error(directory, errno);
  if (!S_ISDIR(status.st_mode)) return Error{ErrorCode::io, manifests::escape(directory) + ": not a directory"};
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return Error{ErrorCode::io, manifests::escape(directory) + ": must belong to root or to who runs driftd"};
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error{ErrorCode::io,
                 manifests::escape(directory) + ": must not be writable by group or others (chmod go-w)"};
  }
  return {};
}

struct Opened {
  Database database;
  bool fresh;
};

Result<Opened> open_for_writing(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return manifests::system_error(directory, errno);
  if (auto checked = check_directory(directory); !checked) return checked.error();
  const std::string path = database_path(directory);
  struct stat status {};
  const bool fresh = ::stat(path.c_str(), &status) != 0 || status.st_size == 0;
  // SQLite would make it readable by all.
  if (fresh && !UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600))) {
    return manifests::system_error(path, errno);
  }
  auto database = Database::open(path, Access::write);
  if (!database) return database.error();
  // A journal that is deleted, rather than a write-ahead log: reading needs no file beside the database then, so that
  // `driftd check` can read it and write nothing.
  if (auto set = database->execute("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;"); !set) {
    return set.error();
  }
  if (fresh) {
    if (auto made = create_schema(*database); !made) return made.error();
  }
  if (auto checked = check_schema(*database); !checked) return checked.error();
  // Where that fails, a full disk for one, the older tables still protect; what is new says so when it is used.
  (void)upgrade_schema(*database);
  return Opened{std::move(*database), fresh};
}

std::array<std::uint64_t, 2> identity_of_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

Result<std::vector<KeptManifest>> read_kept_rows(Database& database, const std::string& tree, const std::string& name) {
  std::vector<KeptManifest> kept;
  auto rows = database.prepare(
      "SELECT identity, sequence, release, accepted_at FROM kept WHERE tree = ? AND name = ? ORDER BY id DESC LIMIT ?");
  rows.bind(tree).bind(name).bind(std::int64_t{kMostKept});
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return kept;
    const auto identity = to_identity(rows.blob(0));
    if (!identity) return identity.error();
    kept.push_back({*identity, from_stored(rows.number(1)), rows.text(2), rows.number(3)});
  }
}

Result<manifests::Ratchet> read_ratchet(Database& database, const std::string& tree, const std::string& name) {
  std::vector<manifests::Vouched> vouched;
  auto rows = database.prepare("SELECT sequence, identity, keys FROM vouched WHERE tree = ? AND name = ?");
  rows.bind(tree).bind(name);
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return manifests::Ratchet(std::move(vouched));
    const auto identity = to_identity(rows.blob(1));
    if (!identity) return identity.error();
    auto keys = unpack(rows.blob(2));
    if (!keys) return keys.error();
    vouched.push_back({from_stored(rows.number(0)), *identity, std::move(*keys)});
  }
}

}  // namespace

StateStore::StateStore(std::string directory, Database database, Protection protection, std::string problem)
    : directory_(std::move(directory)),
      database_(std::move(database)),
      protection_(protection),
      problem_(std::move(problem)),
      file_(identity_of_file(database_.path())) {}

StateStore StateStore::open(const std::string& directory) {
  auto opened = open_for_writing(directory);
  if (opened) {
    return {directory, std::move(opened->database), opened->fresh ? Protection::fresh : Protection::ok, {}};
  }
  auto memory = *Database::open(":memory:", Access::write);
  (void)create_schema(memory);
  return {directory, std::move(memory), Protection::lost, opened.error().message};
}

bool StateStore::is_absent_or_hidden(const std::string& directory) {
  const fs::path path = database_path(directory);
  if (::access(path.c_str(), R_OK) == 0) return false;
  if (errno != ENOENT) return errno == EACCES;
  struct stat status {};
  for (fs::path at = path; at.has_relative_path(); at = at.parent_path()) {
    if (::lstat(at.c_str(), &status) != 0) continue;
    return ::stat(at.c_str(), &status) == 0;  // a link that leads nowhere is there
  }
  return true;
}

Result<StateStore> StateStore::open_for_reading(const std::string& directory) {
  if (auto checked = check_directory(directory); !checked) return checked.error();
  auto database = Database::open(database_path(directory), Access::read);
  if (!database) return database.error();
  if (auto checked = check_schema(*database); !checked) return checked.error();
  return StateStore(directory, std::move(*database), Protection::ok, {});
}

Result<StateStore> StateStore::open_for_repair(const std::string& directory) {
  auto sound = open_for_writing(directory);
  if (sound) {
    return StateStore(directory, std::move(sound->database), sound->fresh ? Protection::fresh : Protection::ok, {});
  }
  if (sound.error().code != ErrorCode::format) return sound.error();
  const std::string path = database_path(directory);
  const std::string aside = path + ".damaged-" + std::to_string(std::time(nullptr));
  if (::rename(path.c_str(), aside.c_str()) != 0 && errno != ENOENT) return manifests::system_error(path, errno);
  ::unlink((path + "-journal").c_str());  // it belongs to the other one
  auto opened = open_for_writing(directory);
  if (!opened) return opened.error();
  return StateStore(directory, std::move(opened->database), Protection::fresh, {});
}

bool StateStore::is_in_place() const { return identity_of_file(database_.path()) == file_; }

Result<void> StateStore::check_in_place() const {
  if (is_in_place()) return {};
  return Error{ErrorCode::io, manifests::escape(database_.path()) +
                                  ": was removed or replaced while it was in use; restart driftd to use what is there"};
}

Result<TreeRecord> StateStore::read(const std::string& tree, const std::string& name) {
  if (auto in_place = check_in_place(); !in_place) return in_place.error();
  TreeRecord record;
  auto ratchet = read_ratchet(database_, tree, name);
  if (!ratchet) return ratchet.error();
  record.ratchet = std::move(*ratchet);
  auto kept = read_kept_rows(database_, tree, name);
  if (!kept) return kept.error();
  record.kept = std::move(*kept);

  auto transition = database_.prepare("SELECT previous, since FROM transition WHERE tree = ?");
  const auto under_way = transition.bind(tree).step();
  if (!under_way) return under_way.error();
  if (*under_way) {
    const auto from = to_identity(transition.blob(0));
    if (!from) return from.error();
    record.transition = Transition{*from, transition.number(1)};
  }
  auto reset = database_.prepare("SELECT at, reason FROM trust_reset WHERE tree = ? ORDER BY id DESC LIMIT 1");
  const auto was_reset = reset.bind(tree).step();
  if (!was_reset) return was_reset.error();
  if (*was_reset) record.last_reset = TrustReset{reset.number(0), reset.text(1)};
  return record;
}

/// A tree's name holds no `@`.
std::string StateStore::kept_path(const std::string& tree, const Prehash& identity) const {
  manifests::Digest head;
  std::copy_n(identity.begin(), head.bytes.size(), head.bytes.begin());
  return directory_ + "/manifests/" + tree + "@" + to_hex(head).substr(0, 32) + ".manifest";
}

Result<manifests::SignedBytes> StateStore::read_kept(const std::string& tree, const Prehash& identity,
                                                     std::size_t limit) const {
  auto read = manifests::read_signed_file(kept_path(tree, identity), limit);
  if (!read) return read.error();
  return std::move(*read);
}

Result<std::int64_t> StateStore::time_floor() {
  auto row = database_.prepare("SELECT at FROM time_floor");
  const auto found = row.step();
  if (!found) return found.error();
  return *found ? row.number(0) : 0;
}

Result<void> StateStore::accept(const std::string& tree, const manifests::SignedBytes& bytes,
                                const manifests::VerifiedManifest& manifest, AcceptedAt at,
                                const std::optional<Transition>& transition) {
  auto transaction = sqlite::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  // The files first: a row promises that its file is there, and a file without a row is swept.
  const bool is_lost = protection_ == Protection::lost;
  if (!is_lost) {
    if (auto kept = keep(tree, bytes, manifest); !kept) return kept;
  }
  if (auto remembered = remember(tree, manifest, at, transition); !remembered) return remembered;
  if (auto committed = transaction->commit(); !committed) return committed;
  if (!is_lost) drop_unkept(tree);
  return {};
}

Result<void> StateStore::keep(const std::string& tree, const manifests::SignedBytes& bytes,
                              const manifests::VerifiedManifest& manifest) {
  const std::string directory = directory_ + "/manifests";
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return manifests::system_error(directory, errno);
  const std::string path = kept_path(tree, manifest.identity());
  if (auto kept = manifests::write_file(path, bytes.bytes.text(), 0600, manifests::Existing::replace); !kept)
    return kept;
  std::string name = path + ".minisig";
  for (std::size_t number = 1; const std::string& signature : bytes.signatures) {
    if (auto kept = manifests::write_file(name, signature, 0600, manifests::Existing::replace); !kept) return kept;
    // As further signers' files are called, but by number: one key may have signed twice, and one be no signature.
    name = path + ".minisig." + to_string(manifests::minisign::KeyId{number++});
  }
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return manifests::system_error(directory, errno);
  return {};
}

Result<void> StateStore::remember(const std::string& tree, const manifests::VerifiedManifest& manifest, AcceptedAt at,
                                  const std::optional<Transition>& transition) {
  const manifests::Header& header = manifest.header();
  auto ratchet = read_ratchet(database_, tree, header.name);
  if (!ratchet) return ratchet.error();
  ratchet->advance(manifest);
  auto forget = database_.prepare("DELETE FROM vouched WHERE tree = ? AND name = ?");
  if (auto done = forget.bind(tree).bind(header.name).run(); !done) return done;
  for (const manifests::Vouched& one : ratchet->vouched()) {
    const auto keys = pack(one.keys);
    auto insert = database_.prepare("INSERT INTO vouched(tree, name, keys, sequence, identity) VALUES (?, ?, ?, ?, ?)");
    insert.bind(tree).bind(header.name).bind(sqlite::Blob(keys)).bind(to_stored(one.sequence));
    if (auto done = insert.bind(sqlite::Blob(one.identity)).run(); !done) return done;
  }
  auto floor = database_.prepare(
      "INSERT INTO time_floor(id, at) VALUES (1, ?) ON CONFLICT(id) DO UPDATE SET at = max(at, excluded.at)");
  if (auto done = floor.bind(std::min(header.created, at.trusted)).run(); !done) return done;

  const auto kept = read_kept_rows(database_, tree, header.name);
  if (!kept) return kept.error();
  if (!kept->empty() && kept->front().identity == manifest.identity()) return {};  // only its signers are new

  auto drop = database_.prepare("DELETE FROM kept WHERE tree = ? AND identity = ?");
  if (auto done = drop.bind(tree).bind(sqlite::Blob(manifest.identity())).run(); !done) return done;
  auto insert = database_.prepare(
      "INSERT INTO kept(tree, name, identity, sequence, release, accepted_at) VALUES (?, ?, ?, ?, ?, ?)");
  insert.bind(tree).bind(header.name).bind(sqlite::Blob(manifest.identity())).bind(to_stored(header.sequence));
  if (auto done = insert.bind(header.release).bind(at.wall_clock).run(); !done) return done;
  auto trim = database_.prepare(
      "DELETE FROM kept WHERE tree = ? AND id NOT IN (SELECT id FROM kept WHERE tree = ? ORDER BY id DESC LIMIT ?)");
  if (auto done = trim.bind(tree).bind(tree).bind(std::int64_t{kMostKept}).run(); !done) return done;

  if (auto ended = forget_transition(tree); !ended || !transition) return ended;
  auto begin = database_.prepare("INSERT INTO transition(tree, previous, since) VALUES (?, ?, ?)");
  return begin.bind(tree).bind(sqlite::Blob(transition->from)).bind(transition->since).run();
}

/// What a crash between two writes has left, and what the latest acceptance has pushed out.
void StateStore::drop_unkept(const std::string& tree) {
  std::set<std::string> wanted;
  auto rows = database_.prepare("SELECT identity FROM kept WHERE tree = ?");
  rows.bind(tree);
  for (auto row = rows.step(); row && *row; row = rows.step()) {
    if (const auto identity = to_identity(rows.blob(0))) wanted.insert(fs::path(kept_path(tree, *identity)).filename());
  }
  std::error_code error;
  for (fs::directory_iterator at(directory_ + "/manifests", error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    const bool is_kept = std::any_of(wanted.begin(), wanted.end(), [&](const std::string& manifest) {
      return manifests::belongs_to_manifest(name, manifest);
    });
    std::error_code ignored;  // it is tried again with the next acceptance
    if (name.starts_with(tree + "@") && !is_kept) fs::remove(at->path(), ignored);
  }
}

Result<void> StateStore::end_transition(const std::string& tree, const Prehash& from) {
  return database_.prepare("DELETE FROM transition WHERE tree = ? AND previous = ?")
      .bind(tree)
      .bind(sqlite::Blob(from))
      .run();
}

Result<void> StateStore::forget_transition(const std::string& tree) {
  return database_.prepare("DELETE FROM transition WHERE tree = ?").bind(tree).run();
}

Result<void> StateStore::reset_trust(const std::string& tree, const std::string& reason, std::int64_t now) {
  auto transaction = sqlite::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (auto done = database_.prepare("DELETE FROM vouched WHERE tree = ?").bind(tree).run(); !done) return done;
  if (auto done = forget_transition(tree); !done) return done;
  auto insert = database_.prepare("INSERT INTO trust_reset(tree, at, reason) VALUES (?, ?, ?)");
  if (auto done = insert.bind(tree).bind(now).bind(reason).run(); !done) return done;
  return transaction->commit();
}

std::int64_t StateStore::version() {
  constexpr std::int64_t kGone = -1;
  if (!is_in_place()) return kGone;
  const auto version = read_pragma(database_, "data_version");
  return version ? *version : 0;
}

}  // namespace driftd::daemon
