#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/manifest.hpp"
#include "manifests/tool/archive_source.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/random.hpp"
#include "tests/unit/support/show.hpp"
#include "tests/unit/tool/release_lines.hpp"
#include "tests/unit/tool/tar_bytes.hpp"
#include "tests/unit/tool/zip_bytes.hpp"

using namespace driftd::manifests;
using namespace driftd::manifests::tool;
using namespace driftd::test;

using Lines = std::vector<std::string>;

namespace {

UniqueFd file_of(const std::string& bytes) {
  UniqueFd fd(::memfd_create("archive", MFD_CLOEXEC));
  REQUIRE(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  REQUIRE(::lseek(fd.get(), 0, SEEK_SET) == 0);
  return fd;
}

Result<ReleaseEntries> read(const std::string& bytes, const SourceRules& rules = {},
                            ArchiveKind kind = ArchiveKind::tar) {
  ReleaseTree tree(rules);
  Progress silent(Progress::Wanted::no);
  if (auto done = read_archive({file_of(bytes), kind}, tree, silent); !done) return done.error();
  return std::move(tree).finish();
}

/// Without digests, so that lines stay short.
SourceRules without_digests() {
  SourceRules rules;
  rules.blake3 = rules.sha256 = false;
  return rules;
}

Lines lines_of(const std::string& bytes, const SourceRules& rules = without_digests()) {
  return lines(must(read(bytes, rules)));
}

std::string gzip(const std::string& bytes) {
  std::string out(compressBound(bytes.size()) + 64, '\0');
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string ar_member(std::string name, const std::string& content) {
  name.resize(16, ' ');
  std::string size = std::to_string(content.size());
  size.resize(10, ' ');
  std::string member = name + "0           0     0     100644  " + size + "`\n" + content;
  if (member.size() % 2 != 0) member += '\n';
  return member;
}

const std::string kArMagic = "!<arch>\n";

}  // namespace

TEST_CASE("a tar's members are listed like those of a directory") {
  const std::string bytes =
      tar({tar_dir("./"), tar_dir("./bin/"), tar_file("./bin/run", "x", 0755), tar_file("./b", ""),
           tar_symlink("./l", "a b"), tar_hard_link("./h", "./bin/run"), tar_file("./deep/er/x", "12")});
  CHECK(lines_of(bytes) == Lines{". type=dir", "./b type=file size=0", "./bin type=dir",
                                 "./bin/run type=file size=1 tags=exec", "./deep type=dir", "./deep/er type=dir",
                                 "./deep/er/x type=file size=2", "./h type=file size=1 tags=exec",
                                 "./l type=link link=a\\040b"});
  const auto hashed = must(read(tar({tar_file("x", "hello")})));
  CHECK(to_hex(*hashed.at("x").sha256) == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  CHECK(to_hex(*hashed.at("x").blake3) == "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f");
}

TEST_CASE("hostile tars are refused with the member's name") {
  struct Row {
    std::vector<TarMember> members;
    const char* why;
  };
  const auto special = [](const char* name, char type) {
    TarMember member = tar_file(name, "");
    member.type = type;
    return member;
  };
  for (const Row& row : std::vector<Row>{
           {{tar_file("/etc/passwd")}, "'/etc/passwd': an absolute path"},
           {{tar_file("a/../../b")}, "'..' leads out"},
           {{tar_symlink("a", "/etc"), tar_file("a/passwd")}, "'a/passwd': lies below 'a', which is a symlink"},
           {{tar_file("a"), tar_file("./a")}, "'a': stands twice"},
           {{tar_hard_link("b", "a"), tar_file("a")},
            "'b': 'a': a hard link to it, but it is not in the archive before"},
           {{tar_hard_link("b", "/etc/passwd")}, "'b': hard link to: '/etc/passwd': an absolute path"},
           {{tar_hard_link("b", "../a")}, "'..' leads out"},
           {{tar_symlink("a", "c"), tar_hard_link("b", "a")}, "'a': a hard link to it, but it is a symlink"},
           {{tar_dir("a"), tar_hard_link("b", "a")}, "'a': a hard link to it, but it is a directory"},
           {{tar_hard_link("a", "a")}, "not in the archive before"},
           {{special("null", '3')}, "null: a character device cannot be part of a release"},
           {{special("sda", '4')}, "sda: a block device"},
           {{special("pipe", '6')}, "pipe: a fifo"},
           {{tar_symlink("l", "")}, "'l': a link without a target"},
           {{tar_file("bin/su", "x", 04755)}, "bin/su: is setuid or setgid"},
           {{tar_file(".", "x")}, "'.': the archive's root is no directory"},
       }) {
    check_error(read(tar(row.members)), ErrorCode::format, row.why);
  }
}

TEST_CASE("a hard link names a file outside of what is listed") {
  SourceRules rules = without_digests();
  rules.subdir = "srv";
  CHECK(lines_of(tar({tar_file("lib/x", "12345", 0755), tar_hard_link("srv/x", "lib/x")}), rules) ==
        Lines{". type=dir", "./x type=file size=5 tags=exec"});
}

TEST_CASE("a tar that is cut off anywhere is refused") {
  const std::string whole = tar({tar_file("a", std::string(700, 'x')), tar_dir("d"), tar_file("d/b", "1")});
  for (std::size_t size = 0; size <= whole.size() - 1024; size += 64) {
    CAPTURE(size);
    CHECK_FALSE(read(whole.substr(0, size)));
  }
  CHECK(read(whole.substr(0, whole.size() - 512)));  // one block says that it is the end
  CHECK(read(whole + std::string(9000, '\0')));
  // As for every tar: what follows the end is no part of it.
  CHECK(lines_of(whole + whole) == lines_of(whole));
}

TEST_CASE("damaged headers are refused") {
  const std::string whole = tar({tar_file("a"), tar_file("b")});
  for (const std::size_t at : {1024U + 0U, 1024U + 100U, 1024U + 124U, 1024U + 148U, 1024U + 156U, 1024U + 265U}) {
    CAPTURE(at);
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    check_error(read(bytes), ErrorCode::format, "after 'a'");
  }
  TarMember huge = tar_file("huge");
  huge.size_field = "77777777777";
  check_error(read(tar({tar_file("a"), huge})), ErrorCode::format, "'huge'");
}

TEST_CASE("pax headers give names, access lists and capabilities as they are") {
  const std::string hostile = "d/" + std::string(150, 'n') + "e\xcc\x81\xff\n";  // decomposed, and no UTF-8
  const std::string records = pax_record("path", hostile);
  const auto entries =
      must(read(pax_header(pax_record("comment", "9fceb02"), 'g') + pax_header(records) + tar({tar_file("short")}),
                without_digests()));
  CHECK(entries.size() == 3);
  CHECK(entries.contains(hostile));

  SourceRules exact = without_digests();
  exact.mode = ModePolicy::exact;
  const std::string capability("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  const std::string acl =
      pax_record("SCHILY.acl.access", "user::rw-\nuser:1000:r--\ngroup::r-x\nmask::rwx\nother::r--\n");
  const auto made = must(read(
      pax_header(pax_record("SCHILY.xattr.security.capability", capability) + acl) + tar({tar_file("ping", "x", 0674)}),
      exact));
  CHECK(made.at("ping").attributes.capability == capability);
  CHECK(made.at("ping").attributes.mode == 0674U);
  Blake3 hash;
  hash.update(
      std::string("\x02\0\0\0"                    // version
                  "\x01\0\x06\0\xff\xff\xff\xff"  // user::rw-
                  "\x02\0\x04\0\xe8\x03\0\0"      // user:1000:r--
                  "\x04\0\x05\0\xff\xff\xff\xff"  // group::r-x
                  "\x10\0\x07\0\xff\xff\xff\xff"  // mask::rwx
                  "\x20\0\x04\0\xff\xff\xff\xff",
                  44));  // other::r--
  CHECK(made.at("ping").attributes.acl == hash.finish());
  // GNU tar --acls --xattrs-include='*' stores both forms, and with --xattrs alone the second only.
  const std::string bytes(
      "\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xe8\x03\0\0\x04\0\x05\0\xff\xff\xff\xff"
      "\x10\0\x07\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff",
      44);
  const std::string xattr = pax_record("SCHILY.xattr.system.posix_acl_access", bytes);
  const auto twofold = must(read(pax_header(acl + xattr) + tar({tar_file("ping", "x", 0674)}), exact));
  CHECK(twofold.at("ping").attributes.mode == 0674U);
  CHECK(twofold.at("ping").attributes.acl == hash.finish());
  const auto alone = must(read(pax_header(xattr) + tar({tar_dir("d")}), exact));
  CHECK(alone.at("d").attributes.acl == hash.finish());
  std::string other = bytes;
  other[14] = '\7';
  check_error(
      read(pax_header(acl + pax_record("SCHILY.xattr.system.posix_acl_access", other)) + tar({tar_file("x")}), exact),
      ErrorCode::format, "'x': has two access lists that differ");
  const std::string stranger =
      pax_record("SCHILY.acl.access", "user::rw-\nuser:nobody-here:r--\ngroup::r--\nmask::r--\nother::r--\n");
  CHECK(read(pax_header(stranger + xattr) + tar({tar_file("x")}), exact));
  check_error(read(pax_header(stranger) + tar({tar_file("x")}), exact), ErrorCode::format,
              "'x': its access list names 'nobody-here'");
  CHECK(read(pax_header(stranger) + tar({tar_file("x")})));  // not recorded, so nobody asks
}

TEST_CASE("a compressed tar is checked to its last byte") {
  const std::string whole = gzip(tar({tar_file("a", std::string(100'000, 'x'))}));
  const Lines expected = lines_of(tar({tar_file("a", std::string(100'000, 'x'))}));
  CHECK(lines_of(whole) == expected);
  CHECK(lines_of(whole + std::string(100, '\0')) == expected);
  for (std::size_t size = 3; size < whole.size(); ++size) CHECK_FALSE(read(whole.substr(0, size)));
  for (std::size_t at = 10; at < whole.size(); ++at) {
    CAPTURE(at);
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    CHECK_FALSE(read(bytes));
  }
  check_error(read(whole + "junk"), ErrorCode::format, "something else follows the gzip data");
  // Members one after the other are one stream, as pigz and bgzip write it.
  const std::string plain = tar({tar_file("a", std::string(100'000, 'x'))});
  CHECK(lines_of(gzip(plain.substr(0, 777)) + gzip("") + gzip(plain.substr(777))) == expected);
}

TEST_CASE("what is no archive is called that") {
  check_error(read(""), ErrorCode::format, "empty");
  check_error(read("hello, world\n"), ErrorCode::format, "neither a tar");
  check_error(read(gzip("hello, world\n")), ErrorCode::format, "neither a tar");
  check_error(read(std::string(40'000, '\xff')), ErrorCode::format, "neither a tar");
  check_error(read("PK\3\4 and so on", {}, ArchiveKind::zip), ErrorCode::format, "damaged or truncated zip");
}

TEST_CASE("a Debian package is the tar in it") {
  const std::string data = tar({tar_dir("./"), tar_dir("./usr/"), tar_file("./usr/x", "1", 0755)});
  const std::string head = kArMagic + ar_member("debian-binary", "2.0\n") + ar_member("control.tar.gz", gzip(tar({})));
  const auto deb = [&](const std::string& rest) { return read(head + rest, without_digests(), ArchiveKind::deb); };
  const Lines expected = {". type=dir", "./usr type=dir", "./usr/x type=file size=1 tags=exec"};
  CHECK(lines(must(deb(ar_member("data.tar", data)))) == expected);
  CHECK(lines(must(deb(ar_member("data.tar.gz", gzip(data)) + ar_member("_gpgbuilder", "x")))) == expected);
  check_error(deb(""), ErrorCode::format, "without a member data.tar");
  check_error(deb(ar_member("data.tar", data) + ar_member("data.tar", data)), ErrorCode::format,
              "two members data.tar");
  check_error(deb(ar_member("data.tar.xz", data)), ErrorCode::format, "data.tar.xz: compressed by none");
  check_error(deb(ar_member("data.tar", gzip(data))), ErrorCode::format, "data.tar: compressed by gzip");
  check_error(deb(ar_member("data.tarball", data)), ErrorCode::format, "a member 'data.tarball' where dpkg");
  check_error(deb(ar_member("extra", "x") + ar_member("data.tar", data)), ErrorCode::format, "a member 'extra' where");
  check_error(deb(ar_member("data.tar", data) + ar_member("control.tar", data)), ErrorCode::format,
              "a member 'control.tar' where dpkg");
  CHECK(deb(ar_member("_extra", "x") + ar_member("data.tar", data) + ar_member("extra", "x")));
  const auto whole = [&](const std::string& rest) { return read(kArMagic + rest, {}, ArchiveKind::deb); };
  check_error(whole(ar_member("debian-binary", "3.0\n")), ErrorCode::format, "of a version other than 2");
  check_error(whole(ar_member("debian-binary", "2.0\n") + ar_member("data.tar", data)), ErrorCode::format,
              "a member 'data.tar' where dpkg");
  check_error(deb(ar_member("data.tar", data.substr(0, 1024))), ErrorCode::format, "data.tar: ");
  check_error(deb(ar_member("data.tar.gz", gzip(data)).substr(0, 150)), ErrorCode::format, "");
  check_error(read(kArMagic + ar_member("x.o", "x"), {}, ArchiveKind::deb), ErrorCode::format, "no Debian package");
}

TEST_CASE("the kind of an archive is told by its first bytes") {
  struct Row {
    std::string bytes;
    ArchiveKind kind;
  };
  for (const Row& row : std::vector<Row>{{"!<arch>\ndebian", ArchiveKind::deb},
                                         {"PK\3\4", ArchiveKind::zip},
                                         {"PK\5\6", ArchiveKind::zip},
                                         {"PK", ArchiveKind::tar},
                                         {"", ArchiveKind::tar},
                                         {tar({tar_file("x")}), ArchiveKind::tar}}) {
    const UniqueFd fd = file_of(row.bytes);
    CHECK(must(open_archive("/proc/self/fd/" + std::to_string(fd.get()))).kind == row.kind);
  }
  check_error(open_archive("/nowhere/a.tar"), ErrorCode::io, "/nowhere/a.tar: No such file");
}

TEST_CASE("a zip's members are listed by its central directory") {
  const auto zip_lines = [](const std::vector<ZipMember>& members) {
    return lines(must(read(zip(members), without_digests(), ArchiveKind::zip)));
  };
  CHECK(zip_lines({{.name = "bin/run", .mode = 0100755},
                   {.name = "d/", .content = "", .mode = 040755},
                   {.name = "l", .content = "bin/run", .mode = 0120777},
                   {.name = "\xe2\x98\x83"}}) ==
        Lines{". type=dir", "./bin type=dir", "./bin/run type=file size=5 tags=exec", "./d type=dir",
              "./l type=link link=bin/run", "./\\342\\230\\203 type=file size=5"});
  struct Row {
    std::vector<ZipMember> members;
    const char* why;
  };
  for (const Row& row : std::vector<Row>{{{{.name = "../a"}}, "'..' leads out"},
                                         {{{.name = "/a"}}, "absolute"},
                                         {{{.name = "a"}, {.name = "a"}}, "'a': stands twice"},
                                         {{{.name = "l", .content = "/etc", .mode = 0120777}, {.name = "l/passwd"}},
                                          "'l/passwd': lies below 'l', which is a symlink"},
                                         {{{.name = "null", .content = "", .mode = 020666}}, "character device"},
                                         {{{.name = "e\xcc\x81"}}, "use a tar"},
                                         {{{.name = "a\\b"}}, "use a tar"},
                                         {{{.name = "su", .mode = 0104755}}, "setuid"}}) {
    check_error(read(zip(row.members), {}, ArchiveKind::zip), ErrorCode::format, row.why);
  }
  std::string wrong = zip({{.name = "a"}});
  wrong[wrong.find("hello")] = 'j';
  check_error(read(wrong, {}, ArchiveKind::zip), ErrorCode::format, "'a': ");
}

TEST_CASE("a file that is all holes does not take forever") {
  const std::string records =
      pax_record("GNU.sparse.name", "hole") + pax_record("GNU.sparse.size", "9000000000000000000") +
      pax_record("GNU.sparse.numblocks", "1") + pax_record("GNU.sparse.map", "9000000000000000000,0");
  check_error(read(pax_header(records) + tar({tar_file("x", "")})), ErrorCode::format, "larger than 16 TiB");
}

TEST_CASE("whatever is done to an archive, it is refused or gives a manifest") {
  const std::string plain =
      pax_header(pax_record("path", "d/long\xe9") + pax_record("SCHILY.xattr.security.capability", "abcd") +
                 pax_record("SCHILY.acl.access", "user::rw-\nuser:0:r--\ngroup::r--\nmask::r--\nother::r--\n")) +
      tar({tar_file("x", "12"), tar_dir("e"), tar_symlink("e/l", "x"), tar_hard_link("h", "d/long\xe9")});
  const std::string deb = kArMagic + ar_member("debian-binary", "2.0\n") + ar_member("control.tar", tar({})) +
                          ar_member("data.tar.gz", gzip(plain));
  const std::string zipped = zip({{.name = "a", .mode = 0100755}, {.name = "d/l", .content = "a", .mode = 0120777}});
  Random random(7);
  int taken = 0;
  for (const auto& [bytes, kind] :
       {std::pair(plain, ArchiveKind::tar), std::pair(deb, ArchiveKind::deb), std::pair(zipped, ArchiveKind::zip)}) {
    for (int round = 0; round < 1500; ++round) {
      std::string spoilt = bytes;
      for (std::size_t changes = 1 + random.below(3); changes > 0; --changes) {
        const std::size_t at = random.below(spoilt.size());
        switch (random.below(4)) {
          case 0: spoilt[at] = random.bytes(1).front(); break;
          case 1: spoilt[at] = static_cast<char>(spoilt[at] ^ (1 << random.below(8))); break;
          case 2: spoilt.erase(at, 1 + random.below(600)); break;
          default: spoilt.insert(at, spoilt.substr(random.below(spoilt.size()), 512)); break;
        }
        if (spoilt.empty()) spoilt = "x";
      }
      SourceRules rules;
      rules.mode = ModePolicy::exact;
      const auto entries = read(spoilt, rules, kind);
      if (!entries) {
        CHECK_FALSE(entries.error().message.empty());
        CHECK(entries.error().message.find_first_of("\n\x1b") == std::string::npos);
        continue;
      }
      ++taken;
      ManifestBuilder builder{Header{}};
      for (const auto& [path, entry] : *entries) {
        const auto added = builder.add(path, entry);
        // The builder alone knows what a capability may be.
        CHECK_MESSAGE((added || added.error().message.find("capability") != std::string::npos), path);
        if (!added) break;
      }
    }
  }
  CHECK(taken > 100);
}
