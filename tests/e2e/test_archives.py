"""What is deployed may be built as a directory, an archive or a stream: the same content gives the same content id."""

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from support import archives, django, hostile_names
from support.marks import needs_root
from support.programs import COULD_NOT_JUDGE, DRIFTD, MANIFEST_TOOL, USAGE, Result, driftd, manifest_tool, run, succeed
from support.release import build, headers_of, keygen, sign
from support.site import small_application, write_files
from support.workdir import new_workdir

IDENTITY = ["build", "--name", "app", "--release", "v1", "--sequence", "1"]


def content_id(source: Path | str, directory: Path, *options: str, stdin: bytes = b"") -> str:
    manifest = directory / "content.manifest"
    manifest_tool(*IDENTITY, *options, source, "-o", manifest, stdin=stdin, timeout=120).expect(0)
    return headers_of(manifest)["content"]


def assert_clean(source: Path, unpacked: Path, directory: Path, *options: str) -> None:
    """What is built from the source holds on the host that has it unpacked."""
    place = Path(tempfile.mkdtemp(dir=directory))
    keys = keygen(place)
    manifest = build(source, place / "app.manifest", *options)
    sign(keys, manifest)
    driftd("check", "--root", unpacked, "--manifest", manifest, "--trust", keys.public, timeout=120).expect(0)


@pytest.fixture(scope="module")
def application(django_application: Path) -> Iterator[Path]:
    """Django with what archivers treat specially, and its content id as a directory."""
    with new_workdir() as directory:
        tree = django.copy(django_application, directory / "django")
        (tree / "empty").mkdir()
        (tree / "current").symlink_to("conf/global_settings.py")
        os.link(tree / "shortcuts.py", tree / "shortcuts_again.py")
        (tree / "manage.py").write_text("#!/usr/bin/python3\n")
        (tree / "manage.py").chmod(0o755)
        yield tree


@pytest.fixture(scope="module")
def expected(application: Path) -> str:
    return content_id(application, application.parent)


@pytest.fixture(scope="module")
def tarball(application: Path) -> Path:
    return archives.tar(application, application.parent / "app.tar")


@pytest.mark.parametrize("suffix", [*archives.COMPRESSORS, ""])
def test_a_tar_is_what_it_was_made_of(suffix: str, tarball: Path, expected: str, workdir: Path) -> None:
    archive = archives.compressed(tarball, suffix) if suffix else tarball
    assert content_id(archive, workdir) == expected
    assert content_id("-", workdir, stdin=archive.read_bytes()) == expected


def test_a_zip_is_what_it_was_made_of(application: Path, expected: str, workdir: Path) -> None:
    assert content_id(archives.zipped(application, workdir / "app.zip"), workdir) == expected


def test_a_debian_package_is_what_it_was_made_of(application: Path, expected: str, workdir: Path) -> None:
    package = archives.debian_package(application, workdir / "app.deb", "srv/app")
    options = ("--mode", "exec", "--owner", "none")
    assert content_id(package, workdir, *options, "--subdir", "srv/app") == expected
    assert content_id(package, workdir, *options, "--strip-components", "2") == expected


@needs_root
def test_a_debian_package_keeps_its_modes_and_owners(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    (tree / "bin" / "run").chmod(0o750)
    package = archives.debian_package(tree, workdir / "app.deb", "srv/app")
    manifest = build(package, workdir / "deb.manifest")
    lines = manifest.read_text().splitlines()
    run_lines = [line for line in lines if line.startswith("./srv/app/bin/run ")]
    assert len(run_lines) == 1 and " uname=root gname=root mode=0750 " in run_lines[0], lines
    unpacked = workdir / "unpacked"
    succeed(["dpkg-deb", "-x", package, unpacked])
    assert_clean(package, unpacked, workdir)
    assert_clean(package, unpacked / "srv" / "app", workdir, "--subdir", "srv/app")


def test_a_git_archive_is_the_commit_without_empty_directories(application: Path, workdir: Path) -> None:
    repository = archives.git_repository(application, workdir / "repository")
    plain = archives.without_empty_directories(shutil.copytree(application, workdir / "plain", symlinks=True))
    expected = content_id(plain, workdir)
    for options, ours in (
        (["--format=tar"], []),
        (["--format=tar.gz", "--prefix=app-v1/"], ["--strip-components", "1"]),
        (["--format=tar", "--prefix=a/b/"], ["--subdir", "a/b"]),
    ):
        stream = subprocess.run(["git", "archive", *options, "main"], cwd=repository, capture_output=True, check=True)
        assert content_id("-", workdir, *ours, stdin=stream.stdout) == expected, options
    zip_file = workdir / "git.zip"
    succeed(["git", "archive", "--format=zip", "-o", zip_file, "main"], cwd=repository)
    assert content_id(zip_file, workdir) == expected


def test_a_writer_into_the_pipe_is_read_to_its_end(tarball: Path, workdir: Path) -> None:
    """Else pipefail would call the archiver's SIGPIPE a failure. Behind the end there may be more than a pipe holds."""
    script = f'set -o pipefail; (cat "$1"; head -c 1000000 /dev/zero) | "$2" {" ".join(IDENTITY)} - -o "$3"'
    succeed(["bash", "-c", script, "bash", tarball, MANIFEST_TOOL, workdir / "app.manifest"], timeout=120)


# ---- dialects, names, attributes


DIALECTS = [
    ("tar", "--format=gnu"),
    ("tar", "--format=pax"),
    ("tar", "--format=gnu", "--sparse"),
    ("tar", "--format=pax", "--sparse"),
    ("tar", "--format=oldgnu", "--sparse"),
    ("tar", "--format=pax", "--sparse", "--sparse-version=0.0"),
    ("tar", "--format=pax", "--sparse", "--sparse-version=0.1"),
    ("tar", "--format=gnu", "--label=app"),
    ("tar", "--format=pax", "--label=app"),
    ("bsdtar", "--format=pax"),
    ("bsdtar", "--format=gnutar"),
]


@pytest.mark.parametrize("dialect", DIALECTS, ids=" ".join)
def test_every_name_comes_through_every_dialect(dialect: tuple[str, ...], workdir: Path) -> None:
    tree = workdir / "tree"
    hostile_names.make_tree(tree)
    deep = tree / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    (deep / "file").write_text("deep\n")
    os.link(deep / "file", tree / "hard link to a long name")
    (tree / "link to a long name").symlink_to("t" * 200)
    with (tree / "holes").open("wb") as file:
        for at in (0, 1_000_000, 3_000_000):
            file.seek(at)
            file.write(b"data")
        file.truncate(4_000_000)
    with (tree / "only a hole").open("wb") as file:
        file.truncate(1_000_000)
    archiver, *options = dialect
    archive = workdir / "app.tar"
    # bsdtar in C.UTF-8 refuses to write names that are no UTF-8 into pax headers as they are.
    made = run([archiver, "-C", tree, *options, "-cf", archive, "."])
    assert made.code == 0 or archiver == "bsdtar", str(made)
    unpacked = workdir / "unpacked"
    unpacked.mkdir()
    succeed(["tar", "-C", unpacked, "-xf", archive])
    assert content_id(archive, workdir) == content_id(unpacked, workdir)
    if made.code == 0:
        assert content_id(archive, workdir) == content_id(tree, workdir)
    assert_clean(archive, unpacked, workdir)


def test_ustar_comes_through(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    for archiver in ("tar", "bsdtar"):
        archive = archives.tar(tree, workdir / "app.tar", "--format=ustar", archiver=archiver)
        assert content_id(archive, workdir) == content_id(tree, workdir)


@needs_root
@pytest.mark.parametrize(
    ("archiver", "options"),
    [
        ("tar", ["--acls", "--xattrs", "--xattrs-include=security.*"]),
        ("tar", ["--acls", "--xattrs", "--xattrs-include=*"]),
        ("tar", ["--xattrs", "--xattrs-include=*"]),
        ("bsdtar", ["--acls", "--xattrs"]),
    ],
)
def test_capabilities_and_access_lists_come_through(archiver: str, options: list[str], workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    succeed(["setcap", "cap_net_raw+ep", tree / "bin" / "run"])
    succeed(["setfacl", "-m", "u:33:r--,g:0:r-x,m::rwx", tree / "app.py"])
    succeed(["setfacl", "-m", "u:daemon:rwx", tree / "lib"])
    archive = archives.tar(tree, workdir / "app.tar", "--format=pax", *options, archiver=archiver)
    exact = ("--mode", "exact", "--owner", "source")
    assert "acl:" in build(tree, workdir / "tree.manifest", *exact).read_text()
    assert content_id(archive, workdir, *exact) == content_id(tree, workdir, *exact)
    assert content_id(archive, workdir) == content_id(tree, workdir)


@needs_root
def test_a_container_export_is_listed_without_its_devices(workdir: Path) -> None:
    """As `docker export` writes it: no leading `./`, devices among the members, hard links across directories."""
    root = workdir / "rootfs"
    write_files(root, {"usr/bin/perl": "perl\n", "srv/app/app.py": "1\n", "etc/hostname": "x\n"})
    (root / "dev").mkdir()
    succeed(["mknod", root / "dev" / "null", "c", "1", "3"])
    os.mkfifo(root / "dev" / "initctl")
    os.link(root / "usr" / "bin" / "perl", root / "srv" / "app" / "perl5")
    names = ["dev", "etc", "usr", "srv"]
    succeed(["tar", "-C", root, "--format=pax", "-cf", workdir / "export.tar", *names])
    refused = manifest_tool(*IDENTITY, workdir / "export.tar").expect(COULD_NOT_JUDGE)
    assert "dev/" in refused.err and "device" in refused.err or "fifo" in refused.err, str(refused)
    assert content_id(workdir / "export.tar", workdir, "--mutable", "dev/**") == content_id(
        root, workdir, "--mutable", "dev/**"
    )
    assert content_id(workdir / "export.tar", workdir, "--subdir", "srv/app") == content_id(
        root / "srv" / "app", workdir
    )


def test_a_zip_without_modes_has_nothing_executable(workdir: Path) -> None:
    with zipfile.ZipFile(workdir / "app.zip", "w") as archive:
        for name, content in (("bin/run", "#!/bin/sh\n"), ("app.py", "1\n")):
            info = zipfile.ZipInfo(name)
            info.create_system = 0  # DOS
            archive.writestr(info, content)
    tree = workdir / "tree"
    write_files(tree, {"bin/run": "#!/bin/sh\n", "app.py": "1\n"})
    assert content_id(workdir / "app.zip", workdir) == content_id(tree, workdir)


# ---- refusals


def refused(source: Path | str, code: int, *words: str, options: tuple[str, ...] = (), stdin: bytes = b"") -> Result:
    result = manifest_tool(*IDENTITY, *options, source, stdin=stdin).expect(code)
    assert result.stdout == b"" and len(result.stderr.splitlines()) == 1, str(result)
    for word in words:
        assert word in result.err, f"the message does not say {word}\n{result}"
    return result


@pytest.mark.parametrize("suffix", [*archives.COMPRESSORS, ""])
def test_a_truncated_tar_is_refused(suffix: str, workdir: Path) -> None:
    write_files(workdir / "tree", {f"{number}": os.urandom(5000) for number in range(20)})
    archive = archives.tar(workdir / "tree", workdir / "app.tar")
    whole = (archives.compressed(archive, suffix) if suffix else archive).read_bytes()
    cut = workdir / f"cut.tar.{suffix}"
    # Behind its end, a plain tar has some kilobytes of zeros.
    for size in (len(whole) // 3, len(whole) // 2, 512 * (len(whole) // 1024), len(whole) - (30 if suffix else 11_000)):
        cut.write_bytes(whole[:size])
        refused(cut, COULD_NOT_JUDGE, cut.name)
        refused("-", COULD_NOT_JUDGE, "standard input", stdin=whole[:size])


@pytest.mark.parametrize("suffix", archives.COMPRESSORS)
def test_what_tar_would_not_unpack_is_refused(suffix: str, workdir: Path) -> None:
    archive = archives.compressed(archives.tar(small_application(workdir / "tree"), workdir / "app.tar"), suffix)
    refused("-", COULD_NOT_JUDGE, "standard input", stdin=archive.read_bytes() + b"junk")
    archive.rename(workdir / "once")  # compressors want no file that is named as if they had been there
    refused(archives.compressed(workdir / "once", suffix), COULD_NOT_JUDGE, "once")


@pytest.mark.parametrize("module", [gzip, lzma, bz2])
def test_a_flipped_bit_is_refused_unless_it_says_the_same(module: ModuleType, workdir: Path) -> None:
    """A few say the same in other words, as where a repetition is copied from another place; Python's reader tells."""
    write_files(workdir / "tree", {f"{number}": os.urandom(300) for number in range(20)})
    plain = archives.tar(workdir / "tree", workdir / "app.tar").read_bytes()
    whole = module.compress(plain)
    places = range(20, len(whole) - 20, len(whole) // 20)
    refusals = 0
    for at in places:
        spoilt = bytearray(whole)
        spoilt[at] ^= 16
        try:
            says_the_same = module.decompress(bytes(spoilt)) == plain
        except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
            says_the_same = False
        if says_the_same:
            assert content_id("-", workdir, stdin=bytes(spoilt)) == content_id(workdir / "app.tar", workdir)
        else:
            refused("-", COULD_NOT_JUDGE, "standard input", stdin=bytes(spoilt))
            refusals += 1
    assert refusals > len(places) / 2


def test_a_tar_that_unpackers_read_in_two_ways_is_refused(workdir: Path) -> None:
    """GNU tar would make the file `evil` of the first, and a second file of what libarchive skips in the other."""

    def member(name: str, kind: bytes, content: bytes = b"", link: str = "") -> bytes:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.linkname = kind, len(content), link
        return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)

    hidden = member("hidden", tarfile.REGTYPE, b"evil\n")
    for tar, why in (
        (member("g", b"g", b"13 path=evil\n") + member("a", tarfile.REGTYPE, b"1"), "a global pax header says 'path'"),
        (member("x", b"x", b"13 size=1024\n") + member("d", tarfile.DIRTYPE) + hidden, "'d/': a link, directory"),
        (member("f", tarfile.REGTYPE) + member("h", tarfile.LNKTYPE, link="f/"), "'h': a hard link to a name with"),
    ):
        refused("-", COULD_NOT_JUDGE, "standard input", why, stdin=tar + bytes(1024))


def test_a_spoilt_zip_is_refused(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    refused(archives.zipped(tree, workdir / "secret.zip", "-P", "password"), COULD_NOT_JUDGE, "secret.zip", "encrypted")
    whole = archives.zipped(tree, workdir / "app.zip", "-0").read_bytes()
    (workdir / "cut.zip").write_bytes(whole[:-200])
    refused(workdir / "cut.zip", COULD_NOT_JUDGE, "cut.zip", "truncated")
    (workdir / "bad.zip").write_bytes(whole.replace(b"DEBUG = False", b"DEBUG = True "))
    refused(workdir / "bad.zip", COULD_NOT_JUDGE, "bad.zip", "settings.py", "CRC")


def test_a_zip_that_unpackers_read_in_two_ways_is_refused(workdir: Path) -> None:
    whole = archives.zipped(small_application(workdir / "tree"), workdir / "app.zip", "-0").read_bytes()
    end = whole.rindex(b"PK\5\6")
    start = int.from_bytes(whole[end + 16 : end + 20], "little")
    last = whole.rindex(b"settings.py")  # in the central directory
    assert start < last
    for spoilt, why in (
        (whole[:end] + b"GAP" + whole[end:], "between its central directory and its end"),
        (whole + b"trailing", "does not end where the file does"),
        (whole[:end] + whole[end:-2] + b"\x16\0" + whole[end:], "two ends"),
        (whole[:last] + b"backdoor.py" + whole[last + 11 :], "before its content and otherwise in the central"),
    ):
        (workdir / "bad.zip").write_bytes(spoilt)
        refused(workdir / "bad.zip", COULD_NOT_JUDGE, "bad.zip", why)


def test_a_zip_of_other_hosts_has_names_in_utf8(workdir: Path) -> None:
    with zipfile.ZipFile(workdir / "app.zip", "w") as archive:
        info = zipfile.ZipInfo("caf\u00e9")
        info.create_system = 0  # DOS
        archive.writestr(info, "1")
    whole = (workdir / "app.zip").read_bytes()
    content_id(workdir / "app.zip", workdir)
    code_page_437 = whole.replace("\u00e9".encode(), b"\x82_").replace(b"\0\x08\0\0", b"\0\0\0\0")
    assert code_page_437.count(b"caf\x82_") == 2
    (workdir / "dos.zip").write_bytes(code_page_437)
    refused(workdir / "dos.zip", COULD_NOT_JUDGE, "dos.zip", "caf", "UTF-8")


def test_what_writes_zips_is_understood(workdir: Path) -> None:
    """bsdtar writes sizes behind the content, and so does Python into a pipe; zip64 where it is asked for."""
    tree = small_application(workdir / "tree")
    expected = content_id(tree, workdir)
    archives.tar(tree, workdir / "bsd.zip", "--format=zip", archiver="bsdtar")
    assert content_id(workdir / "bsd.zip", workdir) == expected
    archives.zipped(tree, workdir / "large.zip", "-fz")
    assert content_id(workdir / "large.zip", workdir) == expected
    script = "import shutil, sys; shutil.make_archive(sys.argv[1], 'zip', sys.argv[2])"
    succeed([sys.executable, "-c", script, workdir / "python", tree])
    by_python = subprocess.run(
        ["sh", "-c", '"$0" -m zipfile -c /dev/stdout bin app.py lib | cat', sys.executable],
        cwd=tree,
        capture_output=True,
        check=True,
    )
    assert by_python.stdout.startswith(b"PK\3\4")
    (workdir / "streamed.zip").write_bytes(by_python.stdout)
    content_id(workdir / "streamed.zip", workdir)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../evil"])
def test_a_zip_that_leads_elsewhere_is_refused(name: str, workdir: Path) -> None:
    with zipfile.ZipFile(workdir / "app.zip", "w") as archive:
        archive.writestr("fine", "1")
        archive.writestr(name, "2")
    refused(workdir / "app.zip", COULD_NOT_JUDGE, "app.zip", name)


def test_a_zip_names_each_path_once(workdir: Path) -> None:
    with zipfile.ZipFile(workdir / "app.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("same", "1")
        archive.writestr("same", "2")
    refused(workdir / "app.zip", COULD_NOT_JUDGE, "'same': stands twice")


def test_a_zip_names_what_libarchive_would_rename(workdir: Path) -> None:
    """It composes characters, and takes a backslash for a slash where there is no slash."""
    for name in ("composed-e\u0301", "back\\slash"):
        with zipfile.ZipFile(workdir / "app.zip", "w") as archive:
            archive.writestr(name, "1")
        refused(workdir / "app.zip", COULD_NOT_JUDGE, "app.zip", "use a tar")
    for names in (["composed-\u00e9", "\u2603/x"], [f"file-{number}" for number in range(70_000)]):
        with zipfile.ZipFile(workdir / "app.zip", "w", allowZip64=True) as archive:
            for name in names:
                archive.writestr(name, "1")
        manifest_tool(*IDENTITY, workdir / "app.zip", "-o", workdir / "out", timeout=120).expect(0)


def test_what_is_no_source_is_refused(workdir: Path) -> None:
    (workdir / "text").write_text("hello\n" * 1000)
    refused(workdir / "text", COULD_NOT_JUDGE, "text", "no archive")
    (workdir / "empty.tar").touch()
    refused(workdir / "empty.tar", COULD_NOT_JUDGE, "empty.tar", "empty")
    refused(workdir / "nowhere.tar.gz", COULD_NOT_JUDGE, "nowhere.tar.gz: No such file")
    refused("-", COULD_NOT_JUDGE, "standard input", "empty")
    with zipfile.ZipFile(workdir / "empty.zip", "w"):
        pass
    refused(workdir / "empty.zip", COULD_NOT_JUDGE, "empty.zip: an empty zip")
    zip_file = archives.zipped(small_application(workdir / "tree"), workdir / "app.zip")
    refused("-", COULD_NOT_JUDGE, "standard input", "a zip cannot be read from a pipe", stdin=zip_file.read_bytes())
    refused(zip_file, USAGE, "a zip holds no owners", options=("--owner", "source"))


def test_half_a_manifest_is_never_left(workdir: Path) -> None:
    whole = archives.tar(small_application(workdir / "tree"), workdir / "app.tar").read_bytes()
    manifest_tool(*IDENTITY, "-", "-o", workdir / "out", stdin=whole[:2000]).expect(COULD_NOT_JUDGE)
    assert not (workdir / "out").exists()


def test_the_host_carries_no_archive_parser() -> None:
    assert b"libarchive" not in succeed(["ldd", DRIFTD]).stdout
