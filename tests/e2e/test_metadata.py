"""What a file may do beyond its content: capabilities, ACLs, setuid. Recorded by CI, set and changed by the real tools."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.checks import check
from support.daemon import Daemon
from support.marks import needs_root
from support.programs import CLEAN, succeed
from support.site import Site, Tree, small_application, write_files

pytestmark = needs_root

CAPABLE, SHARED, SETUID = "bin/ping", "shared.txt", "bin/su"


def do(tree: Path, command: str) -> None:
    succeed(["sh", "-ec", command], cwd=tree)


@dataclass(frozen=True)
class Change:
    command: str
    path: str
    changes: tuple[str, ...]

    def __str__(self) -> str:
        return self.command


CHANGES = (
    Change(f"setcap cap_sys_admin+ep {CAPABLE}", CAPABLE, ("capability",)),
    Change(f"setcap cap_net_raw+p {CAPABLE}", CAPABLE, ("capability",)),
    Change(f"setcap -r {CAPABLE}", CAPABLE, ("capability",)),
    Change("setcap cap_net_raw+ep bin/run", "bin/run", ("capability",)),
    Change(f"setfacl -n -m u:nobody:rwx {SHARED}", SHARED, ("acl",)),
    Change(f"setfacl -n -m u:daemon:r {SHARED}", SHARED, ("acl",)),
    Change(f"setfacl -b {SHARED} && chmod 0664 {SHARED}", SHARED, ("acl",)),
    Change("setfacl -m u:nobody:r settings.py", "settings.py", ("acl",)),
    Change(f"chmod u-s {SETUID}", SETUID, ("mode",)),
    Change(f"chmod g+s {SETUID}", SETUID, ("mode",)),
    Change("chmod u+s bin/run", "bin/run", ("mode",)),
    Change("chmod o+w settings.py", "settings.py", ("mode",)),
)


@pytest.fixture
def exact(site: Site) -> Tree:
    """A tree whose release records all of it."""
    tree = site.tree("app")
    write_files(small_application(tree.root), {CAPABLE: "ping\n", SHARED: "x\n", SETUID: "su\n"})
    do(tree.root, f"setcap cap_net_raw+ep {CAPABLE}; setfacl -m u:daemon:rw {SHARED}; chmod 4755 {SETUID}")
    site.release(tree, "--mode", "exact", "--owner", "source")
    return tree


def undo(tree: Tree, pristine: Path, path: str) -> None:
    """With extended attributes and ACLs; a new file, as writing into the old one would leave some of them."""
    (tree.root / path).unlink()
    succeed(["cp", "-a", "--", pristine / path, tree.root / path])


def test_recorded_and_clean(site: Site, exact: Tree) -> None:
    lines = {line.split()[0]: line for line in exact.manifest.read_text().splitlines() if line.startswith("./")}
    assert "cap:" in lines[f"./{CAPABLE}"] and "acl:" in lines[f"./{SHARED}"] and "mode=04755" in lines[f"./{SETUID}"]
    site.check().expect(CLEAN)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_each_is_caught(site: Site, exact: Tree, change: Change, workdir: Path) -> None:
    pristine = workdir / "pristine"
    succeed(["cp", "-a", "--", exact.root, pristine])
    do(exact.root, change.command)
    found = check(site)
    assert found.kinds == {change.path: "metadata"}, str(found.result)
    assert tuple(found.finding(change.path)["changes"]) == change.changes, str(found.result)
    undo(exact, pristine, change.path)
    site.check().expect(CLEAN)


def test_the_daemon_sees_them_at_once(site: Site, exact: Tree, workdir: Path) -> None:
    pristine = workdir / "pristine"
    succeed(["cp", "-a", "--", exact.root, pristine])
    with Daemon(site) as daemon:
        daemon.wait_ready()
        daemon.wait_for_drift("app", {})
        for change in CHANGES:
            do(exact.root, change.command)
            daemon.wait_for_drift("app", {"metadata": 1})
            undo(exact, pristine, change.path)
            daemon.wait_for_drift("app", {})


def without_mode(site: Site, spoil: Callable[[Path], None]) -> dict[str, str]:
    tree = site.tree("app")
    small_application(tree.root)
    site.release(tree)
    spoil(tree.root)
    return check(site).kinds


@pytest.mark.parametrize("command", ["chmod u+s bin/run", "setcap cap_net_raw+ep bin/run", "setfacl -m u:nobody:rwx bin/run"])
def test_where_nothing_was_recorded_nothing_may_be_set(site: Site, command: str) -> None:
    assert without_mode(site, lambda root: do(root, command)) == {"bin/run": "metadata"}
