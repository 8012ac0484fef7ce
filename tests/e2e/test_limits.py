"""`limits.read_rate` and `limits.read_ops`: how much periodic scans read, all together, at any time."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.control import command, status_document, tree_of
from support.daemon import Daemon
from support.hanging_fs import hanging_mount
from support.marks import needs_root
from support.programs import CLEAN
from support.site import Site, Tree, small_application, write_files
from support.waiting import wait_until

pytestmark = needs_root

MEGA = 2**20
# Of the limit, that scans may exceed it by, and that they may stay below while they have enough to read. The latter has
# room for machines that are busy with other things.
ABOVE = 1.1
BELOW = 0.7
# A second, of manifests, of /proc and of the state.
OTHER_BYTES = 40 * 1024


def alone(site: Site) -> Daemon:
    """Not told of what others change, nor of what they mount, so that it need not read that."""
    site.settings["watch"] = "polling"
    return Daemon(site, within=["unshare", "--mount", "--propagation", "private"])


def bytes_read(daemon: Daemon) -> int:
    """By all threads, in whatever system call."""
    for line in Path(f"/proc/{daemon.pid}/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise AssertionError("no rchar")


def rate(daemon: Daemon, seconds: float) -> float:
    """Bytes a second, without what an idle daemon reads at the most."""
    begin, before = time.monotonic(), bytes_read(daemon)
    time.sleep(seconds)
    read = bytes_read(daemon) - before
    return read / (time.monotonic() - begin) - OTHER_BYTES


def fill(directory: Path, megabytes: int) -> None:
    """Half of it in one file, the rest in many."""
    (directory / "large").write_bytes(os.urandom(megabytes * MEGA // 2))
    write_files(directory, {f"d{number % 7}/{number}": os.urandom(64 * 1024) for number in range(megabytes * 8)})


def wait_until_scanning(daemon: Daemon, site: Site, *trees: str) -> None:
    daemon.wait_ready()
    # The first scan is unlimited; the limited ones begin a second after it.
    for tree in trees:
        wait_until(lambda: tree_of(status_document(site), tree)["scanning"], bool, f"{tree} is scanned", 20)
    time.sleep(0.5)


@pytest.mark.parametrize("threads", [1, 4])
def test_one_tree(site: Site, app: Tree, threads: int) -> None:
    fill(app.root, 24)
    site.release(app)
    app.settings.update(full_scan="1s")
    site.settings["limits"] = {"threads": threads, "read_rate": "4MiB/s", "read_ops": "unlimited"}
    with alone(site) as daemon:
        wait_until_scanning(daemon, site, "app")
        for _ in range(2):
            measured = rate(daemon, 2)
            assert BELOW * 4 * MEGA < measured < ABOVE * 4 * MEGA
        # Neither is more hashed than was read.
        wait_until(lambda: daemon.metrics().number("driftd_scans_total", tree="app", type="full"), lambda n: n >= 2, "", 30)
        assert daemon.metrics().number("driftd_last_scan_duration_seconds", tree="app", type="full") > 24 / 4 / ABOVE
        assert daemon.metrics().verdict("app") == "clean"


def test_a_small_rate_holds_in_a_short_time_too(site: Site, app: Tree) -> None:
    fill(app.root, 4)
    site.release(app)
    app.settings.update(full_scan="1s")
    site.settings["limits"] = {"threads": 4, "read_rate": "128KiB/s"}
    with alone(site) as daemon:
        wait_until_scanning(daemon, site, "app")
        assert rate(daemon, 3) < ABOVE * 128 * 1024


def test_many_small_files_by_their_number(site: Site, app: Tree) -> None:
    write_files(app.root, {f"d{number % 7}/{number}": "x" for number in range(600)})
    site.release(app)
    app.settings.update(full_scan="1s")
    site.settings["limits"] = {"threads": 4, "read_ops": "100/s"}
    with alone(site) as daemon:
        wait_until_scanning(daemon, site, "app")
        wait_until(lambda: daemon.metrics().number("driftd_scans_total", tree="app", type="full"), lambda n: n >= 2, "", 30)
        assert daemon.metrics().number("driftd_last_scan_duration_seconds", tree="app", type="full") > 600 / 100 / ABOVE


def test_many_small_files_by_the_pages_that_a_disk_reads_for_them(site: Site, app: Tree) -> None:
    """Of 4 KiB each, however little of it is in the file."""
    write_files(app.root, {f"d{number % 7}/{number}": os.urandom(200) for number in range(300)})
    write_files(app.root, {f"d{number % 7}/more-{number}": os.urandom(4097) for number in range(100)})
    site.release(app)
    app.settings.update(full_scan="1s")
    site.settings["limits"] = {"threads": 4, "read_rate": "512KiB/s", "read_ops": "unlimited"}
    with alone(site) as daemon:
        wait_until_scanning(daemon, site, "app")
        wait_until(lambda: daemon.metrics().number("driftd_scans_total", tree="app", type="full"), lambda n: n >= 2, "", 30)
        seconds = daemon.metrics().number("driftd_last_scan_duration_seconds", tree="app", type="full")
        pages = 300 + 2 * 100
        assert pages * 4 / 512 / ABOVE < seconds < pages * 4 / 512 / BELOW


@contextmanager
def trees_of_all_kinds(site: Site, workdir: Path) -> Iterator[list[str]]:
    """Two local ones, and two on FUSE."""
    with ExitStack() as stack:
        names = []
        for name in ("local-1", "local-2", "remote-1", "remote-2"):
            source = small_application(workdir / f"{name}.source")
            fill(source, 8)
            root = source
            if name.startswith("remote"):
                root = workdir / name
                stack.enter_context(hanging_mount(source, root))
            tree = site.tree(name, root, full_scan="1s", quick_scan="2s")
            site.release(tree)
            names.append(name)
        yield names


def test_all_trees_together(site: Site, workdir: Path) -> None:
    with trees_of_all_kinds(site, workdir) as names:
        site.settings["limits"] = {"threads": 2, "read_rate": "2MiB/s"}
        with alone(site) as daemon:
            wait_until_scanning(daemon, site, *names)
            for _ in range(3):
                measured = rate(daemon, 3)
                assert BELOW * 2 * MEGA < measured < ABOVE * 2 * MEGA
            # Nobody is passed over, and nobody is taken for one who hangs.
            for name in names:
                wait_until(
                    lambda: daemon.metrics().number("driftd_scans_total", tree=name, type="full"),
                    lambda count: count >= 2,
                    f"a full scan of {name}",
                    90,
                )
            page = daemon.metrics()
            for name in names:
                assert not page.value("driftd_unverified_paths", tree=name, reason="stalled")
                assert page.number("driftd_scans_total", tree=name, type="quick") > 0


@pytest.fixture
def slow(site: Site, app: Tree) -> Tree:
    """A tree of which a limited full scan takes a minute."""
    fill(app.root, 16)
    site.release(app)
    app.settings.update(full_scan="2s", quick_scan="1s")
    site.settings["limits"] = {"threads": 2, "read_rate": "256KiB/s"}
    time.sleep(2.5)  # what was changed a moment before a scan is read again by a quick one
    return app


def quick_scans(daemon: Daemon, tree: str = "app") -> float:
    return daemon.metrics().number("driftd_scans_total", tree=tree, type="quick")


def test_quick_scans_go_on_beside_a_long_full_one(site: Site, slow: Tree) -> None:
    """The limit holds, what is known stays fresh, and that the limit is too small for the interval is said, once."""
    small = site.tree("small", full_scan="2s", quick_scan="1s")
    small_application(small.root)
    site.release(small)
    with alone(site) as daemon:
        wait_until_scanning(daemon, site, "app")
        before = quick_scans(daemon), quick_scans(daemon, "small")
        assert rate(daemon, 3) < ABOVE * 256 * 1024
        wait_until(lambda: quick_scans(daemon), lambda now: now >= before[0] + 3, "quick scans", 20)
        wait_until(lambda: quick_scans(daemon, "small"), lambda now: now >= before[1] + 3, "of the other, too", 20)
        write_files(slow.root, {"app.py": "edited\n"})
        wait_until(lambda: daemon.metrics().drifted("app"), lambda drift: drift == {"modified": 1}, "it is found", 10)
        write_files(slow.root, {"new.py": "x\n"})
        wait_until(lambda: daemon.metrics().drifted("app").get("added"), lambda count: count == 1, "and this", 10)
        assert daemon.metrics().number("driftd_scans_total", tree="app", type="full") == 1, "a full scan has ended"
        said = daemon.log().decode().count("app: a full scan takes longer than its interval of 2 s")
        assert said == 1
        # The full scan took no interval that would be late: the configuration says when a tree is overdue.
        daemon.wait_for_metrics(
            lambda page: page.value("driftd_tree_unknown", tree="app", reason="overdue") == 1, "it is overdue", 10
        )


def test_a_long_full_scan_ends_with_what_is_there_by_then(site: Site, slow: Tree) -> None:
    site.settings["limits"] = {"threads": 2, "read_rate": "2MiB/s"}
    good = (slow.root / "app.py").read_text()
    with alone(site) as daemon:
        wait_until_scanning(daemon, site, "app")
        write_files(slow.root, {"app.py": "edited\n", "lib/added.py": "x\n"})
        wait_until(lambda: daemon.metrics().drifted("app"), lambda drift: len(drift) == 2, "it is found", 10)
        write_files(slow.root, {"app.py": good})
        (slow.root / "d1/1").unlink()
        wait_until(
            lambda: daemon.metrics().drifted("app"), lambda drift: drift == {"added": 1, "missing": 1}, "it is", 10
        )
        seen = set()

        def full_scans() -> float:
            page = daemon.metrics()
            seen.add(tuple(sorted(page.drifted("app").items())))
            return page.number("driftd_scans_total", tree="app", type="full")

        before = full_scans()
        seen.clear()
        wait_until(full_scans, lambda now: now >= before + 2, "two full scans", 60)
        assert seen == {(("added", 1), ("missing", 1))}
        hashed = daemon.metrics().number("driftd_hashed_bytes_total", tree="app")
        assert hashed >= 3 * 15 * MEGA, "what a full scan reads is counted"


def test_a_scan_that_is_wanted_at_once_does_not_wait_for_a_limited_one(site: Site, slow: Tree) -> None:
    with alone(site) as daemon:
        wait_until_scanning(daemon, site, "app")
        begin = time.monotonic()
        asked = command(site, "scan", "now", timeout=60).expect(CLEAN)
        assert "a full scan begins" in asked.err, str(asked)
        assert time.monotonic() - begin < 30, "at 256 KiB/s it takes a minute"
        # And the next periodic one is limited again.
        wait_until_scanning(daemon, site, "app")
        assert rate(daemon, 3) < ABOVE * 256 * 1024


def test_a_reload_reads_nothing_again(site: Site, slow: Tree) -> None:
    slow.settings.update(full_scan="1h", quick_scan="1h")
    time.sleep(2.1)  # what was changed less than two seconds before a scan is read by the next one, too
    with alone(site) as daemon:
        daemon.wait_ready()
        before = bytes_read(daemon)
        for scans in (1, 2):
            daemon.send(signal.SIGHUP)
            wait_until(lambda: quick_scans(daemon), lambda now: now >= scans, "the tree is looked at", 10)
        assert bytes_read(daemon) - before < MEGA
        assert daemon.metrics().number("driftd_scans_total", tree="app", type="full") == 1
