"""Files that have several names, and directories that move with all that is in them."""

import os
import shutil
import time
from pathlib import Path

import pytest

from support.checks import check
from support.control import status_document, tree_of
from support.daemon import Daemon
from support.fanotify import kernel_can_watch
from support.file_handle import FileHandle
from support.marks import needs_root
from support.metrics import Page
from support.site import Site, Tree, write_files
from support.waiting import wait_until

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


def wait_until_seen(daemon: Daemon, app: Tree, added: int = 1) -> None:
    """All that was done until now has been looked at."""
    write_files(app.root, {"mark": "is added\n"})
    daemon.wait_for_drift("app", {"added": added}, SOON)


def expect_no_further_scan(daemon: Daemon) -> None:
    page = daemon.metrics()
    assert page.number("driftd_scans_total", tree="app", type="full") == 1
    assert page.number("driftd_scans_total", tree="app", type="quick") == 0


def test_a_name_that_is_new_in_the_tree(site: Site, app: Tree) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        os.link(app.root / "app.py", app.root / "new.py")
        daemon.wait_for_drift("app", {"added": 1}, SOON)
        write_files(app.root, {"new.py": "edited by the new name\n"})
        daemon.wait_for_drift("app", {"added": 1, "modified": 1}, SOON)
        expect_no_further_scan(daemon)


def test_a_name_that_is_new_outside(site: Site, app: Tree, workdir: Path) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        os.link(app.root / "app.py", workdir / "outside")
        (workdir / "outside").write_text("edited from outside\n")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        expect_no_further_scan(daemon)


def test_a_listed_name_that_is_given_to_another_listed_file(site: Site, app: Tree) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        (app.root / "lib/util.py").unlink()
        os.link(app.root / "app.py", app.root / "lib/util.py")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        write_files(app.root, {"lib/util.py": "neither\n"})
        daemon.wait_for_drift("app", {"modified": 2}, SOON)
        expect_no_further_scan(daemon)


def test_names_in_a_directory_that_is_new(site: Site, app: Tree, workdir: Path) -> None:
    """The directory is one finding, and nothing in it is looked at. It may have been made outside and moved in."""
    (workdir / "outside").mkdir()
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        os.link(app.root / "app.py", workdir / "outside/app.py")
        (workdir / "outside").rename(app.root / "copy")
        daemon.wait_for_drift("app", {"added": 1}, SOON)
        os.link(app.root / "lib/util.py", app.root / "copy/util.py")
        write_files(app.root, {"copy/app.py": "edited in the copy\n"})
        daemon.wait_for_drift("app", {"added": 1, "modified": 1}, SOON)
        write_files(app.root, {"copy/util.py": "edited in the copy\n"})
        daemon.wait_for_drift("app", {"added": 1, "modified": 2}, SOON)
        expect_no_further_scan(daemon)


def test_a_name_that_is_new_where_everything_is_allowed(site: Site, app: Tree) -> None:
    write_files(app.root, {"var/kept": "x\n"})
    site.release(app, "--mutable", "var/**")
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        os.link(app.root / "app.py", app.root / "var/link")
        wait_until_seen(daemon, app)
        write_files(app.root, {"var/link": "edited by the new name\n"})
        daemon.wait_for_drift("app", {"added": 1, "modified": 1}, SOON)
        expect_no_further_scan(daemon)


def test_a_name_that_is_new_where_additions_are_ignored(site: Site, app: Tree) -> None:
    app.settings["additions"] = "ignore"
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        os.link(app.root / "app.py", app.root / "lib/link")
        write_files(app.root, {"lib/link": "edited by the new name\n"})
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        expect_no_further_scan(daemon)


def test_a_write_by_a_name_that_is_gone(site: Site, app: Tree, workdir: Path) -> None:
    """A descriptor keeps the name that it was opened by, and its writes are told by that."""
    good = (app.root / "app.py").read_bytes()
    with (workdir / "first").open("w+b", buffering=0) as opened, Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        opened.write(good)
        os.link(workdir / "first", app.root / ".app.new")
        (workdir / "first").unlink()
        (app.root / ".app.new").rename(app.root / "app.py")
        wait_until_seen(daemon, app)
        os.pwrite(opened.fileno(), b"EDITED", 0)
        daemon.wait_for_drift("app", {"added": 1, "modified": 1}, SOON)
        os.pwrite(opened.fileno(), good, 0)
        daemon.wait_for_drift("app", {"added": 1}, SOON)
        os.fchmod(opened.fileno(), 0o777)
        daemon.wait_for_drift("app", {"added": 1, "metadata": 1}, SOON)
        expect_no_further_scan(daemon)


def test_a_write_to_a_file_that_was_made_without_a_name(site: Site, app: Tree) -> None:
    good = (app.root / "app.py").read_bytes()
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        with os.fdopen(os.open(app.root, os.O_TMPFILE | os.O_RDWR, 0o644), "w+b", buffering=0) as opened:
            opened.write(good)
            # Only with a descriptor, of whatever, does Python follow the link in /proc.
            os.link(f"/proc/self/fd/{opened.fileno()}", app.root / ".app.new", src_dir_fd=opened.fileno())
            (app.root / ".app.new").rename(app.root / "app.py")
            wait_until_seen(daemon, app)
            os.pwrite(opened.fileno(), b"EDITED", 0)
            daemon.wait_for_drift("app", {"added": 1, "modified": 1}, SOON)
        expect_no_further_scan(daemon)


def test_a_write_by_no_name(site: Site, app: Tree) -> None:
    """As a file server does it, which knows files by their handles."""
    handle = FileHandle.of(app.root / "app.py")
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        # The kernel forgets the names that nobody uses, in its own time.
        Path("/proc/sys/vm/drop_caches").write_text("2\n")
        with os.fdopen(handle.open(app.root.parent, os.O_RDWR), "r+b", buffering=0) as opened:
            opened.write(b"EDITED")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        expect_no_further_scan(daemon)


def test_a_write_by_another_name_while_a_scan_is_yet_to_tell_of_it(site: Site, app: Tree, workdir: Path) -> None:
    """What the first scan has seen of the file is known when it ends; it had looked at it before the write."""
    write_files(app.root, {"zz/blob": ""})
    os.truncate(app.root / "zz/blob", 2 << 30)
    site.release(app)
    os.link(app.root / "app.py", workdir / "outside")
    with Daemon(site) as daemon:
        daemon.wait_listening()
        wait_until(lambda: tree_of(status_document(site)), lambda tree: tree["scanning"], "the first scan", 10)
        time.sleep(0.5)
        (workdir / "outside").write_text("edited from outside\n")
        daemon.wait_ready(60)
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        expect_no_further_scan(daemon)


def test_what_is_learnt_while_a_scan_runs_stays_known(site: Site, app: Tree, workdir: Path) -> None:
    write_files(app.root, {"zz/blob": os.urandom(6 << 20)})
    site.release(app)
    app.settings["full_scan"] = "2s"
    site.settings["limits"] = {"threads": 2, "read_rate": "1MiB/s"}

    def scans(page: Page) -> float:
        return page.number("driftd_scans_total", tree="app", type="full")

    good = (app.root / "app.py").read_bytes()
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        wait_until(lambda: tree_of(status_document(site)), lambda tree: tree["scanning"], "a slow scan", 10)
        time.sleep(2)
        count = scans(daemon.metrics())
        write_files(workdir / "other", {"app.py": good})
        os.link(workdir / "other/app.py", app.root / ".app.new")
        (app.root / ".app.new").rename(app.root / "app.py")
        wait_until_seen(daemon, app)
        daemon.wait_for_metrics(lambda page: scans(page) == count + 1, "it has ended", 15)
        write_files(workdir / "other", {"app.py": "edited from outside\n"})
        daemon.wait_for_drift("app", {"added": 1, "modified": 1}, 1)
        assert scans(daemon.metrics()) == count + 1


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
