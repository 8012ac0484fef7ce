"""What is found in the place of what somebody made, or where nobody could tell what happened to it, is not theirs."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.checks import check
from support.control import command
from support.daemon import Daemon
from support.evidence import open_drift
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.programs import succeed
from support.site import Site, Tree, write_files
from support.waiting import wait_until

pytestmark = needs_root

PATH = "a/b/file"
ATTEMPTS = 20

# Goes on for a while, in which the other has its turn, and stays, so that it can be asked who it is.
FIRST = """
import os, time
{first}
for _ in range(15):
    time.sleep(0.01)
    {again}
time.sleep(0.3)
"""
OTHER = "import os, time; time.sleep({after}); {other}; time.sleep(0.3)"


@dataclass(frozen=True)
class Deed:
    name: str
    kind: str
    first: str
    again: str
    other: str
    marked: str  # what has the time of it

    def __str__(self) -> str:
        return self.name


WRITES = Deed(
    "writes",
    "modified",
    f"file = open('{PATH}', 'w', buffering=1)",
    "file.write('first\\n')",
    f"open('{PATH}', 'w').write('by somebody else\\n')",
    PATH,
)
REMOVES = Deed(
    "removes",
    "missing",
    f"os.unlink('{PATH}')",
    "os.mkdir('a/b/x'); os.rmdir('a/b/x')",
    f"os.unlink('{PATH}')",
    str(Path(PATH).parent),
)


def start(program: str, where: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program], cwd=where)


def times_known(site: Site) -> tuple[int, int, int]:
    """Who did it, and between which times, in nanoseconds; zeros where that is not known."""
    with closing(sqlite3.connect(f"file:{site.directory}/state/state.db?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT evidence FROM drift WHERE ended_at IS NULL").fetchall()
    if len(rows) != 1 or rows[0][0] is None:
        return 0, 0, 0
    known = json.loads(rows[0][0])
    seconds = 1_000_000_000
    first, latest = (known.get(key, [0, 0]) for key in ("changed", "changed_latest"))
    return known.get("pid", 0), first[0] * seconds + first[1], latest[0] * seconds + latest[1]


def do_both(site: Site, tree: Tree, copy: Path, deed: Deed, daemon: Daemon) -> None:
    """Until the first is known to have been at it when the other was."""
    for attempt in range(ATTEMPTS):
        succeed(["cp", "-a", tree.root / "a", copy / "a"])
        first = start(FIRST.format(first=deed.first, again=deed.again), tree.root)
        other = start(OTHER.format(other=deed.other, after=0.02 + attempt % 8 * 0.02), copy)
        assert (first.wait(), other.wait()) == (0, 0)
        daemon.wait_for_drift("app", {deed.kind: 1})
        wait_until(lambda: open_drift(site), lambda seen: PATH in seen, "its record")
        command(site, "scan", "now")
        pid, begin, end = times_known(site)
        if pid == first.pid and begin <= os.stat(copy / deed.marked).st_ctime_ns <= end:
            return
        (tree.root / PATH).write_text("as released\n")
        daemon.wait_for_drift("app", {})
        wait_until(lambda: open_drift(site), lambda seen: not seen, "its record has ended")
        succeed(["rm", "-r", copy / "a"])
    raise AssertionError(f"in {ATTEMPTS} attempts they were not there at once, or nobody was seen")


def exchange(tree: Tree, copy: Path) -> None:
    (tree.root / "a").rename(copy / "b")
    (copy / "a").rename(tree.root / "a")


def flip(tree: Tree, copy: Path) -> None:
    """As a deploy does it."""
    (copy / "link").symlink_to(copy)
    (copy / "link").rename(tree.root)


@pytest.fixture(autouse=True)
def only_where_the_kernel_tells(site: Site) -> None:
    if not kernel_can_watch(site.directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")


@pytest.mark.parametrize("put_in_place", [exchange, flip])
@pytest.mark.parametrize("is_watched", [True, False], ids=["watched", "unwatched"])
@pytest.mark.parametrize("deed", [WRITES, REMOVES], ids=str)
def test_a_copy_in_its_place(
    site: Site, deed: Deed, is_watched: bool, put_in_place: Callable[[Tree, Path], None]
) -> None:
    """In which another did the same at the same time."""
    first, copy = site.directory / "first", site.directory / "copy"
    write_files(first, {PATH: "as released\n"})
    copy.mkdir(mode=0o755)
    tree = site.tree("app")
    tree.root.rmdir()
    tree.root.symlink_to(first)
    site.release(tree)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        do_both(site, tree, copy, deed, daemon)
        if is_watched:
            put_in_place(tree, copy)
            wait_until(lambda: open_drift(site), lambda seen: seen == {PATH: None}, "nobody knows who it was")
    if not is_watched:
        put_in_place(tree, copy)
        (finding,) = check(site).document["trees"][0]["drift"]
        assert (finding["path"], finding["kind"]) == (PATH, deed.kind)
        assert "evidence" not in finding
        with Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("app", {deed.kind: 1})
            wait_until(lambda: open_drift(site), lambda seen: seen == {PATH: None}, "nobody knows who it was")


def known_deed(site: Site, tree: Tree, daemon: Daemon, path: str, deed: str, undo: Callable[[], None]) -> int:
    """By a process that is seen; its number."""
    for _ in range(ATTEMPTS):
        process = start(f"import os, time; {deed}; time.sleep(0.3)", tree.root)
        assert process.wait() == 0
        seen = wait_until(lambda: open_drift(site), lambda seen: path in seen, "its record")[path]
        if seen is not None and seen["pid"] == process.pid:
            return process.pid
        undo()
        daemon.wait_for_drift("app", {})
        wait_until(lambda: open_drift(site), lambda seen: not seen, "its record has ended")
    raise AssertionError(f"in {ATTEMPTS} attempts nobody was seen")


MAKES_AGAIN = ("os.mkdir('new')", "new", lambda new: (new.rmdir(), new.mkdir()))
MAKES_A_FILE = ("os.mkdir('new')", "new", lambda new: (new.rmdir(), new.write_text("by somebody else\n")))
CHANGES_AGAIN = ("os.chmod('a', 0o777)", "a", lambda a: (a.chmod(0o755), a.chmod(0o777)))


@pytest.mark.parametrize("case", [MAKES_AGAIN, MAKES_A_FILE, CHANGES_AGAIN], ids=["again", "file", "mode"])
def test_a_directory_that_another_makes_again_at_once(
    site: Site, case: tuple[str, str, Callable[[Path], object]]
) -> None:
    """Which may have the same number on the disk, and be as old to the second."""
    deed, path, by_another = case
    tree = site.tree("app")
    write_files(tree.root, {PATH: "as released\n"})
    site.release(tree)

    def undo() -> None:
        succeed(["sh", "-c", "rm -rf new; chmod 755 a"], cwd=tree.root)

    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        pid = known_deed(site, tree, daemon, path, deed, undo)
        (finding,) = check(site).document["trees"][0]["drift"]
        assert finding["evidence"]["pid"] == pid
    (finding,) = check(site).document["trees"][0]["drift"]
    assert finding["evidence"]["pid"] == pid
    by_another(tree.root / path)
    (finding,) = check(site).document["trees"][0]["drift"]
    assert (finding["path"], finding.get("evidence")) == (path, None)


def test_who_made_a_directory_is_known_whoever_puts_something_into_it(site: Site) -> None:
    tree = site.tree("app")
    write_files(tree.root, {PATH: "as released\n"})
    site.release(tree)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        pid = known_deed(site, tree, daemon, "new", "os.mkdir('new')", (tree.root / "new").rmdir)
        for number in range(3):
            write_files(tree.root, {f"new/{number}": "by somebody else\n"})
            made = (tree.root / "new").stat().st_ctime_ns
            wait_until(lambda: times_known(site), lambda known: known[0] == pid and known[2] >= made, "it is still his")
    (finding,) = check(site).document["trees"][0]["drift"]
    assert (finding["below"], finding["evidence"]["pid"]) == (3, pid)
    # While nobody is told of anything, it may have been changed otherwise.
    (tree.root / "new").chmod(0o777)
    write_files(tree.root, {"new/last": "by somebody else\n"})
    (finding,) = check(site).document["trees"][0]["drift"]
    assert "evidence" not in finding


def test_a_file_that_is_put_back_and_removed_while_the_root_leads_elsewhere(site: Site) -> None:
    root, other = site.directory / "first", site.directory / "other"
    write_files(root, {PATH: "as released\n"})
    succeed(["cp", "-a", root, other])
    tree = site.tree("app")
    tree.root.rmdir()
    tree.root.symlink_to(root)
    site.release(tree)

    def lead_to(directory: Path) -> None:
        (site.directory / "link").symlink_to(directory)
        (site.directory / "link").rename(tree.root)

    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        known_deed(site, tree, daemon, PATH, f"os.unlink('{PATH}')", lambda: write_files(root, {PATH: "as released\n"}))
        lead_to(other)
        time.sleep(0.02)
        write_files(root, {PATH: "by somebody else\n"})
        (root / PATH).unlink()
        time.sleep(0.02)
        lead_to(root)
        write_files(root, {"a/b/beside": ""})
        (root / "a/b/beside").unlink()
        wait_until(lambda: open_drift(site), lambda seen: seen == {PATH: None}, "nobody knows who it was")
