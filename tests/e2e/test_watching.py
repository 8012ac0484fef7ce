"""How changes are noticed: by events, in bursts, and when the release itself changes."""

import fcntl
import mmap
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.blinding import deafened
from support.checks import check
from support.daemon import Daemon
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.metrics import Page
from support.release import build, publish, sign
from support.site import Site, Tree, write_files
from support.waiting import wait_until

pytestmark = needs_root

BURST = 3000
POLL_SECONDS = 10


def watched_by(daemon: Daemon, tree: str, mode: str) -> bool:
    page = daemon.metrics()
    active = {name: page.value("driftd_watch_active", tree=tree, mode=name) for name in ("events", "polling")}
    return active == {name: float(name == mode) for name in active}


def require_events(directory: Path) -> None:
    if not kernel_can_watch(directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {directory}")


@pytest.mark.parametrize("asked", ["auto", "events"])
def test_events_are_used_where_the_kernel_gives_them(site: Site, app: Tree, asked: str) -> None:
    require_events(site.directory)
    site.settings["watch"] = asked
    with Daemon(site) as daemon:
        daemon.wait_ready()
        assert watched_by(daemon, "app", "events")
        write_files(app.root, {"app.py": "edited\n"})
        daemon.wait_for_drift("app", {"modified": 1})
        assert daemon.metrics().number("driftd_watch_events_total", tree="app") >= 1
        daemon.wait_for_metrics(
            lambda page: page.number("driftd_detection_latency_seconds_count") >= 1, "the detection was timed"
        )


def test_what_happens_beside_the_tree_is_none_of_its_business(site: Site, app: Tree) -> None:
    """Same file system, same names, other directory: the file in the tree written after it is found all the same."""
    require_events(site.directory)
    beside = app.root.parent / "app-beside"
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        write_files(beside, {"app.py": "not watched\n", "lib/util.py": "not watched\n"})
        write_files(app.root, {"new.py": "x\n"})
        daemon.wait_for_drift("app", {"added": 1})


def test_trees_that_share_a_file_system_are_each_told_of_their_own(site: Site, app: Tree) -> None:
    """What lies outside of all is sorted out once for all of them; a link of one tree's file there is not outside."""
    require_events(site.directory)
    other = site.tree("other")
    write_files(other.root, {"app.py": "print('other')\n", "lib/deep/util.py": "x\n"})
    site.release(other)
    for tree in (app, other):
        tree.settings.update(quick_scan="1h", full_scan="24h")
    beside = site.directory / "beside"
    write_files(beside, {"app.py": "not watched\n"})
    (beside / "link").hardlink_to(other.root / "app.py")
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        daemon.wait_for_drift("other", {})
        write_files(beside, {"app.py": "not watched\n"})
        write_files(app.root, {"new.py": "x\n"})
        daemon.wait_for_drift("app", {"added": 1})
        write_files(other.root, {"lib/deep/util.py": "edited\n"})
        daemon.wait_for_drift("other", {"modified": 1})
        with (beside / "link").open("a") as link:
            link.write("edited\n")
        daemon.wait_for_drift("other", {"modified": 2})
        beside.rename(app.root / "moved")
        daemon.wait_for_drift("app", {"added": 2})
        write_files(app.root, {"app.py": "edited\n"})
        daemon.wait_for_drift("app", {"added": 2, "modified": 1})
        assert scans(daemon, "app") == scans(daemon, "other") == 1


def in_parallel(files: list[Path], change: Callable[[Path], object]) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, files))


@pytest.fixture
def many(site: Site) -> tuple[Tree, list[Path]]:
    tree = site.tree("many")
    names = [f"d{number % 30:02}/f{number:04}" for number in range(BURST)]
    write_files(tree.root, {name: f"content of {name}\n" for name in names})
    site.release(tree)
    return tree, [tree.root / name for name in names]


def test_a_burst_is_found_whole(site: Site, many: tuple[Tree, list[Path]]) -> None:
    require_events(site.directory)
    tree, files = many
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("many", {})
        originals = {file: file.read_bytes() for file in files}
        in_parallel(files, lambda file: file.write_bytes(originals[file].upper()))
        daemon.wait_for_drift("many", {"modified": BURST}, seconds=30)
        in_parallel(files, lambda file: file.write_bytes(originals[file]))
        daemon.wait_for_drift("many", {}, seconds=30)


def test_a_burst_of_removals_is_one_finding_a_directory(site: Site, many: tuple[Tree, list[Path]]) -> None:
    require_events(site.directory)
    tree, files = many
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("many", {})
        in_parallel(files, Path.unlink)
        daemon.wait_for_drift("many", {"missing": BURST}, seconds=30)
        for directory in sorted(tree.root.iterdir()):
            directory.rmdir()
        daemon.wait_for_drift("many", {"missing": 30}, seconds=30)


def test_edits_during_the_first_scan_are_not_lost(site: Site, many: tuple[Tree, list[Path]]) -> None:
    """Written while the scan is somewhere: before, after or at the file, it has to be found."""
    require_events(site.directory)
    _, files = many
    with Daemon(site) as daemon:
        for file in files[::10]:
            file.write_text("edited at the start\n")
        daemon.wait_listening()
        for file in files[5::10]:
            file.write_text("edited during the scan, perhaps\n")
        daemon.wait_ready().wait_for_drift("many", {"modified": BURST // 5}, seconds=30)


def scans(daemon: Daemon, tree: str) -> float:
    page = daemon.metrics()
    return sum(page.number("driftd_scans_total", tree=tree, type=kind) for kind in ("full", "quick"))


def test_events_that_the_kernel_had_to_drop(site: Site) -> None:
    """More changes than its queue holds, while nobody reads."""
    require_events(site.directory)
    room = int(Path("/proc/sys/fs/fanotify/max_queued_events").read_text())
    if room > 20_000:
        pytest.skip(f"this kernel holds {room} events")
    tree = site.tree("many", quick_scan="1h", full_scan="24h")
    names = [f"d{number % 100:02}/f{number}" for number in range(room + 5000)]
    write_files(tree.root, {name: "content\n" for name in names})
    site.release(tree)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("many", {})
        daemon.send(signal.SIGSTOP)
        try:
            in_parallel([tree.root / name for name in names], lambda file: file.write_text("CONTENT\n"))
        finally:
            daemon.send(signal.SIGCONT)
        daemon.wait_for_drift("many", {"modified": len(names)}, seconds=60)
        page = daemon.metrics()
        assert page.number("driftd_watch_overflows_total", tree="many") >= 1
        assert scans(daemon, "many") == 2
        assert page.number("driftd_watch_probe_failures_total") == 0, "who is stopped is not blind"
        assert watched_by(daemon, "many", "events")


def test_events_that_are_lost_again_and_again(site: Site, app: Tree) -> None:
    """By anybody's files on the same file system. The host does not scan all the time for that."""
    require_events(site.directory)
    room = int(Path("/proc/sys/fs/fanotify/max_queued_events").read_text())
    if room > 20_000:
        pytest.skip(f"this kernel holds {room} events")
    app.settings.update(quick_scan="1h", full_scan="24h")
    elsewhere = [site.directory / "elsewhere" / f"f{number}" for number in range(room + 1000)]
    elsewhere[0].parent.mkdir()
    rounds = 5
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        for lost in range(1, rounds + 1):
            daemon.send(signal.SIGSTOP)
            try:
                in_parallel(elsewhere, Path.touch)
                if lost == rounds:
                    write_files(app.root, {"app.py": "edited, and nobody was told\n"})
            finally:
                daemon.send(signal.SIGCONT)
            daemon.wait_for_metrics(
                lambda page, wanted=lost: page.number("driftd_watch_overflows_total", tree="app") >= wanted, "a loss", 20
            )
        daemon.wait_for_drift("app", {"modified": 1}, seconds=60)
        # At once, and after 5, 10, 20 s.
        assert scans(daemon, "app") <= 1 + 4


def test_a_change_of_the_root_itself_does_not_have_everything_read_again(site: Site, app: Tree) -> None:
    """Its owner may do that all the time."""
    require_events(site.directory)
    app.settings.update(quick_scan="1h", full_scan="24h")
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        before = scans(daemon, "app")
        app.root.chmod(0o777)
        daemon.wait_for_drift("app", {"metadata": 1})
        app.root.chmod(0o755)
        write_files(app.root, {"app.py": "edited\n"})
        daemon.wait_for_drift("app", {"modified": 1})
        assert scans(daemon, "app") > before
        assert daemon.metrics().number("driftd_scans_total", tree="app", type="full") == 1


@pytest.mark.parametrize("is_root_touched", [False, True])
def test_a_store_that_leaves_no_trace_in_the_times(site: Site, app: Tree, is_root_touched: bool) -> None:
    """Through a mapping, into a page that is dirty already. The end of the mapping is told, perhaps with what sets the
    tree's own times, which has everything looked at."""
    require_events(site.directory)
    app.settings.update(quick_scan="1h", full_scan="24h")
    file = app.root / "app.py"
    with file.open("r+b") as opened:
        mapped = mmap.mmap(opened.fileno(), 0)
    with mapped:
        mapped[0] = mapped[0]
        time.sleep(3)  # younger times are not relied on
        with Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("app", {})
            before = file.stat().st_ctime_ns
            mapped[0] = ord("#")
            if is_root_touched:
                os.utime(app.root)
            mapped.close()
            assert file.stat().st_ctime_ns == before
            daemon.wait_for_drift("app", {"modified": 1})
            assert daemon.metrics().number("driftd_scans_total", tree="app", type="full") == 1


def probe_latency(daemon: Daemon) -> float:
    return daemon.metrics().number("driftd_watch_probe_latency_seconds")


def test_watching_tests_itself(site: Site, app: Tree) -> None:
    require_events(site.directory)
    with Daemon(site) as daemon:
        daemon.wait_ready()
        latency = wait_until(lambda: probe_latency(daemon), lambda seconds: seconds > 0, "the self-test has passed")
        assert latency < 1
        assert daemon.metrics().number("driftd_watch_probe_failures_total") == 0


def test_a_daemon_that_hears_nothing_notices(site: Site, app: Tree) -> None:
    """It polls then, and looks at everything; once events arrive again it relies on them again."""
    require_events(site.directory)
    app.settings.update(quick_scan="1h", full_scan="24h")
    with Daemon(site) as daemon:
        daemon.wait_ready()
        wait_until(lambda: probe_latency(daemon), lambda seconds: seconds > 0, "the self-test has passed")
        with deafened(daemon.pid, app.root):
            write_files(app.root, {"app.py": "edited, and nobody was told\n"})
            time.sleep(1)
            assert daemon.metrics().verdict("app") == "clean"
            daemon.send(signal.SIGHUP)  # and with it the self-test, which would come within a minute
            daemon.wait_for_drift("app", {"modified": 1}, seconds=15)
            wait_until(lambda: watched_by(daemon, "app", "polling"), bool, "it polls", 15)
            assert daemon.metrics().number("driftd_watch_probe_failures_total") == 1
            assert b"polling from now on" in daemon.log()
        daemon.send(signal.SIGHUP)
        wait_until(lambda: watched_by(daemon, "app", "events"), bool, "it is told again", 15)
        write_files(app.root, {"settings.py": "edited\n"})
        daemon.wait_for_drift("app", {"modified": 2})


def release_in_force(daemon: Daemon, tree: str) -> list[str]:
    return [info["release"] for info in daemon.metrics().series("driftd_manifest_info", tree=tree)]


def test_a_new_release_is_taken_up(site: Site, app: Tree) -> None:
    """Deployed as in place deploys are: the manifest first, then the files."""
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        new = site.directory / "new"
        write_files(new, {"app.py": "print('v2')\n", "added.py": "x\n"})
        staged = site.directory / "staging" / "app.manifest"
        sign(site.keys, build(new, staged, release="v2", sequence=2))
        publish(staged, app.manifest)
        deploy(new, app.root)
        page = daemon.wait_for_metrics(
            lambda page: (page.verdict("app"), page.value("driftd_manifest_sequence", tree="app")) == ("clean", 2),
            "the tree is clean, by the new release",
            seconds=10,
        )
        assert [info["release"] for info in page.series("driftd_manifest_info", tree="app")] == ["v2"]
        assert page.value("driftd_manifest_entries", tree="app") == 3
        write_files(app.root, {"app.py": "edited\n"})
        daemon.wait_for_drift("app", {"modified": 1})


def deploy(source: Path, target: Path) -> None:
    """rsync --delete, in short."""
    wanted = {path.relative_to(source) for path in source.rglob("*")}
    for path in sorted(target.rglob("*"), reverse=True):
        if path.relative_to(target) not in wanted:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for relative in wanted:
        (target / relative).write_bytes((source / relative).read_bytes())


def test_a_tree_that_goes_and_comes_back(site: Site, app: Tree) -> None:
    """While its root is away nothing is known; it is never clean."""
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        away = app.root.rename(app.root.with_name("away"))
        daemon.wait_for_metrics(lambda page: page.verdict("app") != "clean", "a tree without its root is not clean", 10)
        away.rename(app.root)
        daemon.wait_for_drift("app", {}, seconds=10)


def releases_with_their_manifests(site: Site, app: Tree) -> Path:
    """current -> releases/v1, and v2 beside it; each release holds its own manifest."""
    releases = site.directory / "releases"
    for release, sequence in (("v1", 1), ("v2", 2)):
        write_files(releases / release, {"app.py": f"print('{release}')\n"})
        manifest = releases / release / ".driftd" / "app.manifest"
        staged = site.directory / "staging" / "app.manifest"
        sign(site.keys, build(releases / release, staged, release=release, sequence=sequence))
        manifest.parent.mkdir()
        publish(staged, manifest)
    current = site.directory / "current"
    current.symlink_to("releases/v1")
    app.root, app.manifest = current, current / ".driftd" / "app.manifest"
    return current


def test_a_root_may_be_a_link_and_hold_the_manifest(site: Site, app: Tree) -> None:
    """The manifest and its signature are exempt from what is added; what lies beside them is not."""
    current = releases_with_their_manifests(site, app)
    assert check(site).document["verdict"] == "clean"
    write_files(current, {".driftd/smuggled": "x\n"})
    assert check(site).kinds == {".driftd/smuggled": "added"}


def test_a_root_that_is_a_link_follows_it(site: Site, app: Tree) -> None:
    current = releases_with_their_manifests(site, app)
    with Daemon(site) as daemon:
        daemon.wait_ready()
        assert release_in_force(daemon, "app") == ["v1"]
        flip(current, "releases/v2")
        wait_for_clean_sequence(daemon, 2)


def flip(current: Path, release: str) -> None:
    following = current.with_name("next")
    following.symlink_to(release)
    following.rename(current)


def wait_for_clean_sequence(daemon: Daemon, sequence: int) -> None:
    daemon.wait_for_metrics(
        lambda page: (page.verdict("app"), page.value("driftd_manifest_sequence", tree="app")) == ("clean", sequence),
        f"the tree is clean by the manifest {sequence}",
        seconds=15,
    )


def test_a_reload_right_after_the_flip_follows_it_too(site: Site, app: Tree) -> None:
    """Edits in the new root are told by events: it is the new directory that is watched."""
    current = releases_with_their_manifests(site, app)
    app.settings["quick_scan"] = "1h"
    with Daemon(site) as daemon:
        daemon.wait_ready()
        flip(current, "releases/v2")
        daemon.send(signal.SIGHUP)
        wait_for_clean_sequence(daemon, 2)
        write_files(site.directory / "releases" / "v1", {"app.py": "not deployed any more\n"})
        write_files(current, {"new.py": "x\n"})
        daemon.wait_for_drift("app", {"added": 1})


def test_an_edit_deeper_than_a_path_can_be_written(site: Site, app: Tree) -> None:
    """Beyond PATH_MAX nothing has a name that a system call takes; additions there are found all the same."""
    require_events(site.directory)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        depth = 0
        at = os.open(app.root, os.O_RDONLY | os.O_DIRECTORY)
        while depth < 30:
            os.mkdir("d" * 200, dir_fd=at)
            below = os.open("d" * 200, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at, depth = below, depth + 1
        daemon.wait_for_drift("app", {"added": 1})
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=at))
        os.close(at)
        write_files(app.root, {"app.py": "edited\n"})
        daemon.wait_for_drift("app", {"added": 1, "modified": 1})
        shutil.rmtree(app.root / ("d" * 200))
        daemon.wait_for_drift("app", {"modified": 1})


def test_a_directory_moved_away_behind_a_link(site: Site, app: Tree) -> None:
    """A listed directory that became a link is told, and an edit of what it leads to is none of the tree's."""
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        (app.root / "lib").rename(site.directory / "moved")
        (app.root / "lib").symlink_to(site.directory / "moved")
        daemon.wait_for_drift("app", {"type": 1}, POLL_SECONDS)
        write_files(site.directory / "moved", {"util.py": "edited\n"})
        write_files(app.root, {"app.py": "edited\n"})
        daemon.wait_for_drift("app", {"type": 1, "modified": 1}, POLL_SECONDS)


def unstable(page: Page) -> float | None:
    return page.value("driftd_unverified_paths", tree="app", reason="unstable")


def test_what_was_unstable_is_looked_at_again(site: Site, app: Tree) -> None:
    """By itself: no event tells that it has become calm."""
    site.settings["watch"] = "polling"
    busy = app.root / "busy"
    busy.write_bytes(os.urandom(64 << 20))
    site.release(app)
    is_calm = threading.Event()

    def touch() -> None:
        while not is_calm.is_set():
            os.utime(busy)
            time.sleep(0.0005)

    with ThreadPoolExecutor(1) as pool, Daemon(site) as daemon:
        toucher = pool.submit(touch)
        try:
            daemon.wait_for_metrics(lambda page: unstable(page) == 1, "unstable", 30)
        finally:
            is_calm.set()
        toucher.result()
        daemon.wait_for_drift("app", {}, 20)


def test_what_is_unstable_is_looked_at_again_whatever_happens_beside_it(site: Site, app: Tree) -> None:
    """It cannot be opened as long as another holds a lease, whose end is no event."""
    require_events(site.directory)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # the kernel asks for the lease to be given up
    try:
        with (app.root / "settings.py").open("r+b") as leased, Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("app", {})
            fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            os.utime(app.root / "settings.py")
            daemon.wait_for_metrics(lambda page: unstable(page) == 1, "unstable", 20)
            fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            for _ in range(60):
                os.utime(app.root / "app.py")
                time.sleep(0.3)
                if unstable(daemon.metrics()) == 0:
                    break
            else:
                raise AssertionError("it was not looked at again")
    finally:
        signal.signal(signal.SIGIO, before)


def test_a_rescan_before_a_scan_begins_does_not_count_as_newer(site: Site, app: Tree, workdir: Path) -> None:
    """A scan may wait long for its turn. What it then finds, though no event told of it, is not overruled by a look at
    the same path in the meantime."""
    big = site.tree("a-big", workdir / "big", full_scan="2s", quick_scan="1h")
    (big.root / "blob").write_bytes(os.urandom(10 << 20))
    site.release(big)
    app.settings.update(full_scan="3s", quick_scan="1h")
    site.settings["limits"] = {"threads": 2, "read_rate": "1MiB/s"}
    file = app.root / "app.py"

    def scans(tree: str) -> float:
        return daemon.metrics().number("driftd_scans_total", tree=tree, type="full")

    def looks() -> float:
        return daemon.metrics().number("driftd_detection_latency_seconds_count")

    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped, Daemon(site) as daemon:
        daemon.wait_ready()
        wait_until(lambda: scans("a-big"), lambda count: count >= 2, "the big tree is scanned slowly", 40)
        wait_until(lambda: scans("app"), lambda count: count >= 1, "the other tree has had its turn", 40)
        # By now the big tree is scanned again, for 10 s, and the other waits for it to end.
        time.sleep(5)
        before = looks()
        file.chmod(0o644)
        wait_until(looks, lambda count: count > before, "the path is looked at")
        count = scans("app")
        mapped[0] = ord("#")  # the kernel tells nobody
        mapped.flush()
        wait_until(lambda: scans("app"), lambda now: now > count, "a scan", 40)
        assert daemon.metrics().verdict("app") == "drift"
