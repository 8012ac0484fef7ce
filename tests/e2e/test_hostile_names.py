"""Names that break careless software: each is listed exactly, and none reaches an output raw."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.checks import check
from support.daemon import Daemon
from support.hostile_names import NAMES, directory_at, file_at, has_wildcard, link_at, make_tree
from support.marks import needs_root
from support.programs import DRIFT, Result, driftd, manifest_tool
from support.release import build, sign, signature_of
from support.safe_output import assert_safe, escaped
from support.site import Site, Tree, small_application
from support.stock import minisign_sign, mtree
from support.workdir import new_workdir

# Lines that a name with a newline in it would make, were it shown raw.
FORGED = (b"\ndriftd_fake", b"\nINFO forged", b"\nNext: rm", b"\n  CLEAN  v1")


def assert_harmless(result: Result) -> None:
    assert_safe(result.stdout, f"standard output of {result.command}")
    assert_safe(result.stderr, f"standard error of {result.command}")


@dataclass(frozen=True)
class Edit:
    """One change at one hostile path."""

    path: bytes  # below the root
    kind: str
    do: Callable[[bytes], None]

    @contextmanager
    def made(self, root: bytes) -> Iterator[None]:
        full = os.path.join(root, self.path)
        put_back = relink(full) if os.path.islink(full) else rewrite(full)
        self.do(full)
        try:
            yield
        finally:
            put_back()


def relink(path: bytes) -> Callable[[], None]:
    target = os.readlink(path)

    def put_back() -> None:
        os.unlink(path)
        os.symlink(target, path)

    return put_back


def rewrite(path: bytes) -> Callable[[], None]:
    with open(path, "rb") as file:
        content = file.read()

    def put_back() -> None:
        with open(path, "wb") as file:
            file.write(content)

    return put_back


def append(path: bytes) -> None:
    with open(path, "ab") as file:
        file.write(b"edited\n")


def retarget(path: bytes) -> None:
    """To another hostile name: its neighbour's."""
    target = os.readlink(path)
    os.unlink(path)
    os.symlink(NAMES[NAMES.index(target) - 1], path)


def edits_of(number: int) -> dict[str, Edit]:
    return {
        "file": Edit(file_at(b"", number), "modified", append),
        "directory": Edit(os.path.join(directory_at(b"", number), b"inner"), "modified", append),
        "link": Edit(link_at(b"", number), "target", retarget),
    }


@dataclass(frozen=True)
class Hostile:
    site: Site
    tree: Tree

    @property
    def root(self) -> bytes:
        return os.fsencode(self.tree.root)


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    """Built, signed and found clean. Each test puts back what it changes."""
    with new_workdir() as directory:
        site = Site(directory)
        tree = site.tree("hostile")
        make_tree(tree.root)
        site.release(tree)
        assert check(site).document["verdict"] == "clean"
        yield Hostile(site, tree)


def test_the_list_is_as_nasty_as_was_asked() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 68


@needs_root
def test_clean_and_every_path_is_listed(hostile: Hostile) -> None:
    found = check(hostile.site)
    paths = sum(len(directories) + len(files) for _, directories, files in os.walk(hostile.root))
    assert found.document["trees"][0]["entries"] == paths + 1  # and the root itself
    assert_harmless(found.result)
    shown = manifest_tool("show", hostile.tree.manifest).expect(0)
    assert_harmless(shown)
    assert all(byte == 0x0A or 0x20 <= byte <= 0x7E for byte in hostile.tree.manifest.read_bytes())


@needs_root
@pytest.mark.parametrize("place", ["file", "directory", "link"])
@pytest.mark.parametrize("number", range(len(NAMES)))
def test_the_edited_one_is_the_one_reported(hostile: Hostile, number: int, place: str) -> None:
    edit = edits_of(number)[place]
    with edit.made(hostile.root):
        found = check(hostile.site)
    assert found.raw_paths == [edit.path], f"{edit.path!r} was edited\n{found.result}"
    assert found.drift[0]["kind"] == edit.kind
    assert_harmless(found.result)


@contextmanager
def all_made(edits: list[Edit], root: bytes) -> Iterator[None]:
    with ExitStack() as stack:
        for edit in edits:
            stack.enter_context(edit.made(root))
        yield


@needs_root
@pytest.mark.parametrize("place", ["file", "directory", "link"])
@pytest.mark.parametrize("first", range(0, len(NAMES), 20))
def test_human_output_shows_each_on_a_line(hostile: Hostile, first: int, place: str) -> None:
    """In groups of at most 20, which is as many findings as are listed one by one."""
    edits = [edits_of(number)[place] for number in range(first, min(first + 20, len(NAMES)))]
    with all_made(edits, hostile.root):
        shown = hostile.site.check().expect(DRIFT)
    assert_harmless(shown)
    for edit in edits:
        lines = [line for line in shown.out.splitlines() if escaped(edit.path) in line and edit.kind in line]
        assert lines, f"{escaped(edit.path)} is on no line\n{shown}"
    assert not any(word in shown.stdout for word in FORGED), str(shown)


@needs_root
@pytest.mark.parametrize("number", range(len(NAMES)))
def test_a_path_can_be_asked_for(hostile: Hostile, number: int) -> None:
    """Alone: the edit of its neighbour is not looked at."""
    edit, neighbour = edits_of(number)["file"], edits_of(number - 1)["file"]
    with edit.made(hostile.root), neighbour.made(hostile.root):
        found = check(hostile.site, os.path.join(hostile.root, edit.path))
    assert found.raw_paths == [edit.path], str(found.result)


@needs_root
def test_the_daemon_finds_all_and_its_outputs_are_harmless(hostile: Hostile) -> None:
    edits = [edit for number in range(len(NAMES)) for edit in edits_of(number).values()]
    with Daemon(hostile.site) as daemon:
        daemon.wait_ready().wait_for_drift("hostile", {})
        with all_made(edits, hostile.root):
            daemon.wait_for_drift("hostile", {"modified": 2 * len(NAMES), "target": len(NAMES)}, seconds=20)
            pages = {path: daemon.get(path).body for path in ("/metrics", "/")}
        daemon.wait_for_drift("hostile", {}, seconds=20)
    pages["the log"] = daemon.log()
    for name, page in pages.items():
        assert_safe(page, name)
        assert not any(word in page for word in FORGED), f"{name} is forged:\n{page.decode()}"


def test_stock_mtree_agrees(workdir: Path) -> None:
    """On every name but those that it takes for patterns."""
    names = [name for name in NAMES if not has_wildcard(name)]
    tree = workdir / "tree"
    make_tree(tree, names)
    manifest = build(tree, workdir / "hostile.manifest")
    said = mtree(manifest, tree).expect(0)
    assert said.stdout + said.stderr == b"", str(said)
    for number in range(0, len(names), 7):
        edited = Edit(file_at(b"", number, names), "modified", append)
        with edited.made(os.fsencode(tree)):
            mtree(manifest, tree).expect(2)


def test_a_hostile_trusted_comment_is_harmless(workdir: Path, site: Site) -> None:
    """Stock minisign signs any. Refused or accepted, it is shown escaped."""
    tree = small_application(workdir / "tree")
    manifest = build(tree, workdir / "app.manifest")
    minisign_sign(site.keys.secret, manifest, "-t", "\x1b[31mred \u202e\x9b").expect(0)
    assert_harmless(manifest_tool("verify", "-p", site.keys.public, manifest))
    assert_harmless(driftd("check", "--root", tree, "--manifest", manifest, "--trust", site.keys.public))


HOSTILE_ARGUMENT = b"\x1b[31m\nINFO forged\x9b\xe2\x80\xae"


@pytest.mark.parametrize(
    "command",
    [
        ["check", "--root", HOSTILE_ARGUMENT, "--manifest", "m", "--trust", "k"],
        ["check", "--root", "/", "--manifest", HOSTILE_ARGUMENT, "--trust", "k"],
        ["check", "--config", HOSTILE_ARGUMENT],
        ["check", b"--" + HOSTILE_ARGUMENT],
        [HOSTILE_ARGUMENT],
        ["config", "check", "--config", HOSTILE_ARGUMENT],
    ],
    ids=["root", "manifest", "config", "flag", "command", "config check"],
)
def test_arguments_in_messages_are_escaped(workdir: Path, command: list[str | bytes]) -> None:
    refused = driftd(*command, cwd=workdir)
    assert refused.code in (1, 64), str(refused)
    assert_harmless(refused)
    assert len(refused.stderr.splitlines()) == 1, str(refused)


@pytest.mark.parametrize("key", ["unknown\x1b[31m\u202e", "two\nlines"])
def test_a_configuration_key_in_messages_is_escaped(workdir: Path, key: str) -> None:
    config = workdir / "driftd.yaml"
    config.write_text(json.dumps({key: 1}))
    refused = driftd("config", "check", "--config", config).expect(1)
    assert_harmless(refused)
    assert len(refused.stderr.splitlines()) == 1, str(refused)


def test_the_release_tool_escapes_what_it_refuses(workdir: Path) -> None:
    tree = workdir / "tree"
    tree.mkdir()
    os.mkfifo(os.path.join(os.fsencode(tree), HOSTILE_ARGUMENT))
    identity = ["--name", "app", "--release", "v1", "--sequence", "1"]
    refused = manifest_tool("build", *identity, tree, "-o", workdir / "app.manifest").expect(1)
    assert_harmless(refused)
    assert len(refused.stderr.splitlines()) == 1, str(refused)


def test_signing_says_nothing_raw(workdir: Path, site: Site) -> None:
    directory = workdir / os.fsdecode(HOSTILE_ARGUMENT)
    directory.mkdir()
    manifest = build(small_application(workdir / "tree"), directory / "app.manifest")
    assert_harmless(manifest_tool("sign", "-s", site.keys.secret, manifest))
    assert signature_of(manifest).exists()
    sign(site.keys, manifest)
    assert_harmless(manifest_tool("verify", "-p", site.keys.public, manifest).expect(0))
