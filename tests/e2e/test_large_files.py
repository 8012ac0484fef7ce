"""Files whose content takes long to read: nothing waits for them, and they are not called clean before."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.checks import check
from support.daemon import Daemon
from support.evidence import open_drift
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.programs import succeed
from support.site import Site, Tree, write_files
from support.waiting import wait_until

pytestmark = needs_root

GIB = 1 << 30
# To read the file once takes about as long on a fast machine, and it is read up to four times.
SOON = 3


@pytest.fixture
def large(site: Site, app: Tree) -> Path:
    """A listed file of many zeros, which need no disk."""
    if not kernel_can_watch(site.directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")
    file = app.root / "large"
    file.touch()
    os.truncate(file, 2 * GIB)
    app.settings.update(quick_scan="1h", full_scan="24h")
    site.release(app, "--digest", "blake3")
    return file


@contextmanager
def all_the_time(act: Callable[[], None], every: float) -> Iterator[None]:
    is_over = threading.Event()

    def repeat() -> None:
        while not is_over.wait(every):
            act()

    toucher = threading.Thread(target=repeat)
    toucher.start()
    try:
        yield
    finally:
        is_over.set()
        toucher.join()


def is_unread(daemon: Daemon) -> bool:
    return daemon.metrics().value("driftd_unverified_paths", tree="app", reason="unstable") == 1


def ready(daemon: Daemon) -> None:
    daemon.wait_ready(300).wait_for_drift("app", {})


def test_what_is_beside_it_is_seen(site: Site, app: Tree, large: Path) -> None:
    with Daemon(site) as daemon:
        ready(daemon)
        with all_the_time(lambda: os.utime(large), 0.05):
            wait_until(lambda: is_unread(daemon), bool, "it is read", 20)
            assert daemon.metrics().verdict("app") == "unknown"
            for content, drift in (("edited\n", {"modified": 1}), (None, {"missing": 1})):
                before = time.monotonic()
                write_files(app.root, {"lib/util.py": content}) if content else (app.root / "lib/util.py").unlink()
                daemon.wait_for_metrics(lambda page: page.drifted("app") == drift, f"{drift}", 20)
                assert time.monotonic() - before < SOON
            wait_until(lambda: is_unread(daemon), bool, "it is unread still", 20)
        wait_until(lambda: is_unread(daemon), lambda unread: not unread, "it has been read", 90)
        daemon.wait_for_drift("app", {"missing": 1})


def test_it_need_not_be_left_alone_to_be_verified(site: Site, app: Tree, large: Path) -> None:
    """Who only opens it for writing changes nothing, however often."""
    with Daemon(site) as daemon:
        ready(daemon)
        with all_the_time(lambda: large.open("r+b").close(), 0.2):
            wait_until(lambda: is_unread(daemon), bool, "it is read", 20)
            wait_until(lambda: is_unread(daemon), lambda unread: not unread, "it has been read", 60)
            daemon.wait_for_drift("app", {}, 60)


@pytest.mark.parametrize("closed", ["at once", "later"])
def test_who_changed_it_is_known_once_it_is_read(site: Site, app: Tree, large: Path, closed: str) -> None:
    with Daemon(site) as daemon:
        ready(daemon)
        # In the same size, so that only reading it tells; and by a process that can be looked at.
        kept = 0.4 if closed == "later" else 0
        line = f"exec 3<> large; echo edited >&3; sleep {kept}; exec 3>&-; sleep 1; :"
        succeed(["sh", "-c", line], cwd=app.root)
        daemon.wait_for_drift("app", {"modified": 1}, 60)
        record = wait_until(lambda: open_drift(site), lambda seen: "large" in seen, "a record of it")["large"]
        assert record is not None and record["name"] == "sh"


@pytest.mark.parametrize("way", ["removed", "replaced", "moved", "its directory moved", "truncated"])
def test_what_befalls_it_while_it_is_read_counts(site: Site, app: Tree, large: Path, way: str) -> None:
    deep = app.root / "deep"
    deep.mkdir()
    large = large.rename(deep / "large")
    site.release(app, "--digest", "blake3", sequence=2)
    with Daemon(site) as daemon:
        ready(daemon)
        large.chmod(0o640)
        os.utime(large)
        wait_until(lambda: is_unread(daemon), bool, "it is read", 20)
        if way == "removed":
            large.unlink()
        elif way == "replaced":
            write_files(app.root, {"new": "new\n"})
            (app.root / "new").rename(large)
        elif way == "moved":
            large.rename(app.root / "moved")
        elif way == "its directory moved":
            deep.rename(site.directory / "elsewhere")
        else:
            os.truncate(large, GIB)
        daemon.wait_for_metrics(lambda page: page.verdict("app") == "drift", "drift", 20)
        wait_until(lambda: is_unread(daemon), lambda unread: not unread, "nothing is read any more", 60)
        time.sleep(2)
        found = check(site)
        assert sum(daemon.metrics().drifted("app").values()) == len(found.drift)
        assert set(found.kinds) == set(open_drift(site))
