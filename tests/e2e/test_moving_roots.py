"""A root that leads elsewhere before the check of it has ended: what was scanned is not what is there."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.checks import Found, parse
from support.marks import needs_root
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFTD, Result, environment, succeed
from support.site import Site, Tree, write_files
from support.waiting import wait_until

# Nothing but holes: it takes no room, and time to hash.
SLOW_BYTES = 2**30


@pytest.fixture
def slow(site: Site) -> Tree:
    """A tree whose root is a link to a directory, as a release's is, and whose scan takes a while."""
    tree = site.tree("slow")
    tree.root.rmdir()
    content = site.directory / "srv" / "v1"
    write_files(content, {"big": ""})
    os.truncate(content / "big", SLOW_BYTES)
    tree.root.symlink_to("v1")
    site.release(tree)
    return tree


def opened_by(process: int) -> list[str]:
    """A scan's threads have descriptors of their own."""
    return [os.readlink(file) for file in Path(f"/proc/{process}/task").glob("*/fd/*")]


def check_while(site: Site, tree: Tree, move: Callable[[], object]) -> Found:
    """`move` happens in the midst of the scan."""
    command = [DRIFTD, "check", "--config", site.write_config(), "--json"]
    env = environment(**site.directories())
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        big = str(tree.root.resolve() / "big")
        wait_until(lambda: opened_by(process.pid), lambda files: big in files, "the scan is at the large file", 10, 0.005)
        process.send_signal(signal.SIGSTOP)
        assert big in opened_by(process.pid), "the scan has ended already: make SLOW_BYTES more"
        try:
            move()
        finally:
            process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=60)
    return parse(Result(" ".join(map(str, command)), process.returncode, out, err))


def assert_not_judged(found: Found) -> None:
    found.result.expect(COULD_NOT_JUDGE)
    assert found.document["verdict"] == "unknown" and found.drift == [], str(found.result)
    assert "the root changed while it was scanned" in found.result.err, str(found.result)
    assert len(found.result.err.splitlines()) == 1, str(found.result)


def put_another_there(root: Path) -> None:
    content = root.resolve()
    content.rename(content.with_name("away"))
    write_files(content, {"evil": "x\n"})


def flip(root: Path) -> None:
    write_files(root.with_name("v2"), {"evil": "x\n"})
    root.with_name("next").symlink_to("v2")
    root.with_name("next").rename(root)


MOVES: dict[str, Callable[[Path], object]] = {
    "exchanged": put_another_there,
    "moved away": lambda root: root.resolve().rename(root.with_name("away")),
    "parent moved away": lambda root: root.parent.rename(root.parent.with_name("away")),
    "flipped": flip,
    "link removed": lambda root: root.unlink(),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_root_that_leads_elsewhere_afterwards(site: Site, slow: Tree, move: str) -> None:
    assert_not_judged(check_while(site, slow, lambda: MOVES[move](slow.root)))


@needs_root
def test_a_root_that_is_mounted_over(site: Site, slow: Tree) -> None:
    content = slow.root.resolve()
    mount = ["mount", "-t", "tmpfs", "none", content]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount")
    succeed(["umount", content])
    try:
        assert_not_judged(check_while(site, slow, lambda: succeed(mount)))
    finally:
        subprocess.run(["umount", content], capture_output=True)


def test_a_root_that_leads_to_the_same_directory_afterwards(site: Site, slow: Tree) -> None:
    def by_another_link() -> None:
        slow.root.unlink()
        slow.root.symlink_to(site.directory / "srv" / "v1")

    found = check_while(site, slow, by_another_link)
    found.result.expect(CLEAN)
