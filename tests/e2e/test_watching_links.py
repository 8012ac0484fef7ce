"""Files that have several names, and directories that move with all that is in them."""

import os
import shutil
from pathlib import Path

import pytest

from support.checks import check
from support.daemon import Daemon
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.site import Site, Tree, write_files

pytestmark = needs_root

SOON = 3.0


@pytest.fixture(autouse=True)
def seldom_scanned(site: Site, app: Tree) -> None:
    if not kernel_can_watch(site.directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")
    app.settings.update(quick_scan="1h", full_scan="24h")


def test_a_write_through_a_name_outside_the_tree(site: Site, app: Tree, workdir: Path) -> None:
    outside = workdir / "outside"
    os.link(app.root / "app.py", outside)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        outside.write_text("edited from outside\n")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        assert daemon.metrics().number("driftd_scans_total", tree="app", type="full") == 1
        outside.write_bytes(b"import settings\nprint(settings.DEBUG)\n")
        daemon.wait_for_drift("app", {}, SOON)
        outside.chmod(0o777)
        daemon.wait_for_drift("app", {"metadata": 1}, SOON)


def test_two_names_in_the_tree(site: Site, app: Tree) -> None:
    os.link(app.root / "app.py", app.root / "lib/same.py")
    site.release(app)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        write_files(app.root, {"lib/same.py": "edited by one name\n"})
        daemon.wait_for_drift("app", {"modified": 2}, SOON)
        # Written anew, as an editor does, it is no longer the same file.
        write_files(app.root, {"lib/next": "import settings\nprint(settings.DEBUG)\n"})
        (app.root / "lib/next").rename(app.root / "app.py")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)


def test_a_name_that_is_new_in_the_tree(site: Site, app: Tree) -> None:
    """Nobody tells which file got it; what is written by it is found nevertheless."""
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        os.link(app.root / "app.py", app.root / "new.py")
        daemon.wait_for_drift("app", {"added": 1}, SOON)
        daemon.wait_for_metrics(
            lambda page: page.number("driftd_scans_total", tree="app", type="quick") == 1, "a scan tells", SOON
        )
        write_files(app.root, {"new.py": "edited by the new name\n"})
        daemon.wait_for_drift("app", {"added": 1, "modified": 1}, SOON)
        for number in range(3):
            write_files(app.root, {"new.py": f"edit {number}\n"})
        assert daemon.metrics().number("driftd_scans_total", tree="app", type="quick") == 1


def test_a_name_that_is_new_outside_is_known_after_a_quick_scan(site: Site, app: Tree, workdir: Path) -> None:
    outside = workdir / "outside"
    app.settings["quick_scan"] = "2s"
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        os.link(app.root / "app.py", outside)
        outside.write_text("edited from outside\n")
        daemon.wait_for_drift("app", {"modified": 1}, SOON + 3)


def test_directories_that_move(site: Site, app: Tree, workdir: Path) -> None:
    """One event tells that a directory moved, and none what is in it."""
    other = workdir / "other"
    write_files(other, {"util.py": "another\n", "deep/x": "x\n", "__init__.py": ""})
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        (app.root / "lib").rename(workdir / "away")
        daemon.wait_for_drift("app", {"missing": 1}, SOON)
        other.rename(app.root / "lib")
        # util.py is another, deep/er is missing, deep/x was added.
        daemon.wait_for_drift("app", {"modified": 1, "missing": 1, "added": 1}, SOON)
        write_files(app.root, {"lib/__init__.py": "edited after the move\n"})
        daemon.wait_for_drift("app", {"modified": 2, "missing": 1, "added": 1}, SOON)
        shutil.rmtree(app.root / "lib")
        (workdir / "away").rename(app.root / "lib")
        daemon.wait_for_drift("app", {}, SOON)
        (app.root / "lib").rename(app.root / "bin/lib")
        daemon.wait_for_drift("app", {"missing": 1, "added": 1}, SOON)
        write_files(app.root, {"bin/lib/util.py": "edited where it is not to be\n"})
        (app.root / "bin/lib").rename(app.root / "lib")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)


def test_directories_that_are_gone_before_anybody_asks_for_them(site: Site, app: Tree) -> None:
    """Their handles lead nowhere any more. What came out of them into the tree is found."""
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        for number in range(200):
            passing = app.root / "lib" / f"passing{number}"
            write_files(passing, {"below/x.py": f"{number}\n"})
            if number % 50 == 0:
                (passing / "below").rename(app.root / "bin" / f"kept{number}")
            shutil.rmtree(passing)
        write_files(app.root, {"lib/util.tmp/new": "edited\n"})
        (app.root / "lib/util.tmp/new").rename(app.root / "lib/util.py")
        (app.root / "lib/util.tmp").rmdir()
        daemon.wait_for_drift("app", {"added": 4, "modified": 1}, SOON)
        found = check(site)
        assert sorted(found.kinds.values()) == ["added"] * 4 + ["modified"], str(found.result)
