"""What happens to mounts under a running daemon. The kernel sends no change event for any of it, and drops the watch of
a file system with its last mount; so each of these would blind whoever does not look."""

import shutil
import time
from pathlib import Path

import pytest

from support.blinding import take_watches
from support.daemon import Daemon
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.mounts import DaemonAmongMounts, ext4_disk, require_mounts
from support.site import Site, Tree, small_application, write_files
from support.waiting import wait_until

pytestmark = needs_root

# A look at a mount follows in a tenth of a second. A root is given 1.5 s to turn out to be a new release's.
SOON = 3.0
SOON_WHOLE = 6.0
# Until umount finds nobody in the file system: the daemon looks there for moments, and scans for longer.
UNMOUNT = "for i in $(seq 100); do umount {0} && break || sleep 0.1; done 2>/dev/null; ! mountpoint -q {0}"


@pytest.fixture(autouse=True)
def seldom_scanned(site: Site, app: Tree) -> None:
    """Only what is noticed at once is noticed here."""
    require_mounts()
    if not kernel_can_watch(site.directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")
    app.settings.update(quick_scan="1h", full_scan="24h")


@pytest.fixture
def disk(app: Tree, workdir: Path) -> str:
    """The script that mounts the application on its root, from a disk of its own."""
    image = ext4_disk(workdir / "disk", app.root)
    return f"mount -o loop {image} {app.root}"


def unverified(daemon: Daemon) -> float:
    return daemon.metrics().value("driftd_unverified_paths", tree="app", reason="mount") or 0


def full_scans(daemon: Daemon) -> float:
    return daemon.metrics().number("driftd_scans_total", tree="app", type="full")


def watched_by_events(daemon: Daemon) -> bool:
    return daemon.metrics().value("driftd_watch_active", tree="app", mode="events") == 1


def wait_for_unverified(daemon: Daemon, count: int) -> None:
    wait_until(lambda: unverified(daemon), lambda seen: seen == count, f"{count} unverified paths", SOON)


def test_a_mount_for_a_moment_does_not_hide_an_edit(site: Site, app: Tree) -> None:
    """The look at the edit may meet the mount, and the table of mounts is read when that has gone."""
    lib = app.root / "lib"
    released = (lib / "util.py").read_text()
    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        for turn in range(24):
            gap = 0.06 + 0.004 * (turn % 12)
            daemon.run(
                f"echo edited {turn} > {lib}/util.py; sleep {gap}; mount -t tmpfs none {lib}; sleep 0.03; umount {lib}"
            )
            daemon.wait_for_drift("app", {"modified": 1}, SOON)
            assert unverified(daemon) == 0
            write_files(app.root, {"lib/util.py": released})
            daemon.wait_for_drift("app", {}, SOON)


@pytest.mark.parametrize("mount", ["mount -t tmpfs none {0}", "mount --bind {0} {0}"], ids=["tmpfs", "bind"])
def test_a_mount_over_a_directory_of_the_tree(site: Site, app: Tree, mount: str) -> None:
    lib = app.root / "lib"
    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        daemon.run(mount.format(lib))
        wait_for_unverified(daemon, 1)
        assert daemon.metrics().verdict("app") == "unknown"
        write_files(lib, {"util.py": "edited below the mount\n"})
        daemon.run(UNMOUNT.format(lib))
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        wait_for_unverified(daemon, 0)
        assert full_scans(daemon) == 1, "what was mounted over was looked at, and nothing else"


def test_a_mount_over_a_file_of_the_tree(site: Site, app: Tree) -> None:
    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        daemon.run(f"mount --bind /etc/hostname '{app.root}/app.py'")
        wait_for_unverified(daemon, 1)
        daemon.run(f"umount '{app.root}/app.py'")
        daemon.wait_for_drift("app", {}, SOON)


def test_a_mount_point_with_an_awkward_name(site: Site, app: Tree) -> None:
    awkward = app.root / "a b\tc\\040\n#"
    awkward.mkdir()
    site.release(app)
    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        daemon.run(f"mount -t tmpfs none '{awkward}'")
        wait_for_unverified(daemon, 1)


@pytest.mark.parametrize("how", ["tmpfs", "like", "itself"])
def test_a_mount_over_the_root(site: Site, app: Tree, workdir: Path, how: str) -> None:
    """What is mounted there is the tree from now on, and is watched; then what was there before is again."""
    like = small_application(workdir / "like")
    write_files(like, {"app.py": "another\n"})
    mounts = {
        "tmpfs": f"mount -t tmpfs none {app.root}; cp -a {like}/. {app.root}",
        "like": f"mount --bind {like} {app.root}",
        "itself": f"mount --bind {app.root} {app.root}; echo edited >> {app.root}/app.py",
    }
    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        daemon.run(mounts[how])
        daemon.wait_for_drift("app", {"modified": 1}, SOON_WHOLE)
        assert watched_by_events(daemon)
        daemon.run(f"echo edited >> {app.root}/settings.py")
        daemon.wait_for_drift("app", {"modified": 2}, SOON)
        daemon.run(UNMOUNT.format(app.root))
        before = {} if how != "itself" else {"modified": 2}
        daemon.wait_for_drift("app", before, SOON_WHOLE)
        write_files(app.root, {"bin/run": "edited\n"})
        daemon.wait_for_drift("app", {"modified": before.get("modified", 0) + 1}, SOON)


def test_another_directory_on_the_root_for_a_moment(site: Site, app: Tree, workdir: Path) -> None:
    """Just when a changed path is looked at: what is there then says nothing of the tree."""
    like = small_application(workdir / "like")
    moment = f"touch {app.root}/app.py; sleep 0.08; mount --bind {like} {app.root}; sleep 0.06"
    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready()
        write_files(app.root, {"app.py": "edited\n"})
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        for _ in range(3):
            daemon.run(f"{moment}; {UNMOUNT.format(app.root)}")
            time.sleep(SOON)
            daemon.wait_for_drift("app", {"modified": 1}, SOON_WHOLE)


def test_mounted_again_while_a_new_release_is_looked_at(site: Site, app: Tree, disk: str, workdir: Path) -> None:
    """The look that the first of two such moments asked for is the release's; the second wants one of its own."""
    like = small_application(workdir / "like")
    again = f"{UNMOUNT.format(app.root)}; {disk}"
    with DaemonAmongMounts(site, disk) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        for sequence in range(2, 5):
            began = time.monotonic()
            daemon.run(again)
            site.release_of(like, app, release=f"v{sequence}", sequence=sequence)
            wait_until(
                lambda: daemon.metrics().value("driftd_manifest_sequence", tree="app"),
                lambda seen, wanted=sequence: seen == wanted,
                "the release is in force",
            )
            time.sleep(max(0.0, began + 1.1 - time.monotonic()))
            daemon.run(f"{again}; echo edited > {app.root}/app.py")
            daemon.wait_for_drift("app", {"modified": 1}, SOON_WHOLE)
            daemon.run(f"cp {like}/app.py {app.root}/app.py")
            daemon.wait_for_drift("app", {}, SOON)


def test_unmounted_and_mounted_again_at_once(site: Site, app: Tree, disk: str, workdir: Path) -> None:
    """Device, inode and the mount's number are what they were; only the watch is gone. What was written to the disk
    meanwhile is found, and what is written from then on."""
    edited = workdir / "edited"
    edited.write_text("edited\n")
    again = f"{UNMOUNT.format(app.root)}; {disk}"
    with DaemonAmongMounts(site, disk) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        assert watched_by_events(daemon)
        daemon.run(again)
        wait_until(lambda: full_scans(daemon), lambda scans: scans > 1, "it was looked at everything", SOON_WHOLE)
        daemon.run(f"echo edited >> {app.root}/app.py")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        assert watched_by_events(daemon)
        image = workdir / "disk"
        change = f"debugfs -w -R 'rm settings.py' {image}; debugfs -w -R 'write {edited} settings.py' {image}"
        daemon.run(f"{UNMOUNT.format(app.root)}; {change}; {disk}")
        daemon.wait_for_drift("app", {"modified": 2}, SOON_WHOLE)


def test_unmounted_and_mounted_later(site: Site, app: Tree, disk: str) -> None:
    with DaemonAmongMounts(site, disk) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        daemon.run(f"{UNMOUNT.format(app.root)}; mount -t tmpfs -o ro none {app.root}")
        daemon.wait_for_metrics(lambda page: page.verdict("app") != "clean", "the tree is not there", SOON_WHOLE)
        daemon.run(f"{UNMOUNT.format(app.root)}; {disk}")
        daemon.wait_for_drift("app", {}, SOON_WHOLE)
        daemon.run(f"echo edited >> {app.root}/lib/util.py")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        assert watched_by_events(daemon)


def test_remounted(site: Site, app: Tree, disk: str) -> None:
    with DaemonAmongMounts(site, disk) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        for options in ("ro", "rw"):
            before = full_scans(daemon)
            daemon.run(f"for i in $(seq 50); do mount -o remount,{options} {app.root} && break || sleep 0.1; done")
            wait_until(lambda: full_scans(daemon), lambda scans: scans > before, "a look at everything", SOON_WHOLE)
        daemon.run(f"echo edited >> {app.root}/app.py")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)
        assert watched_by_events(daemon)


def test_a_mount_over_a_directory_above_the_root(site: Site, app: Tree, workdir: Path) -> None:
    above = app.root.parent
    like = small_application(workdir / "like")
    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        daemon.run(f"mount -t tmpfs none {above}")
        daemon.wait_for_metrics(lambda page: page.verdict("app") == "unknown", "no tree is there", SOON_WHOLE)
        daemon.run(f"mkdir {app.root}; cp -a {like}/. {app.root}")
        daemon.wait_for_drift("app", {}, SOON_WHOLE)
        daemon.run(f"echo edited >> {app.root}/app.py")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)


def test_deleted_and_made_again(site: Site, app: Tree, workdir: Path) -> None:
    """Often with the same inode number, so that it looks like the directory that it was."""
    like = workdir / "like"
    shutil.copytree(app.root, like, symlinks=True)
    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        for edit in ("first", "second"):
            shutil.rmtree(app.root)
            shutil.copytree(like, app.root, symlinks=True)
            daemon.wait_for_drift("app", {}, SOON_WHOLE)
            write_files(app.root, {"app.py": f"{edit} edit\n"})
            daemon.wait_for_drift("app", {"modified": 1}, SOON)


def test_a_link_led_elsewhere_and_back_at_once(site: Site, app: Tree, workdir: Path) -> None:
    """Whoever looks once a second sees nothing of it. An edit in between, where events lead nowhere, is found."""
    elsewhere = workdir / "elsewhere"
    elsewhere.mkdir()
    real = app.root.rename(workdir / "real")
    app.root.symlink_to(real)

    def lead_to(target: Path) -> None:
        following = app.root.with_name("next")
        following.symlink_to(target)
        following.rename(app.root)

    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        lead_to(elsewhere)
        write_files(real, {"app.py": "edited\n"})
        lead_to(real)
        daemon.wait_for_drift("app", {"modified": 1}, SOON_WHOLE)


def test_a_watch_that_is_gone_without_a_trace(site: Site, app: Tree, workdir: Path) -> None:
    """Any change of mounts is reason enough to ask the kernel whether it still watches."""
    elsewhere = workdir / "elsewhere"
    elsewhere.mkdir()
    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        take_watches(daemon.pid)
        write_files(app.root, {"app.py": "edited, and nobody was told\n"})
        daemon.run(f"mount -t tmpfs none {elsewhere}")
        daemon.wait_for_drift("app", {"modified": 1}, SOON_WHOLE)
        write_files(app.root, {"settings.py": "edited\n"})
        daemon.wait_for_drift("app", {"modified": 2}, SOON)


def test_mounts_elsewhere_are_none_of_its_business(site: Site, app: Tree, workdir: Path) -> None:
    """As where containers start: hundreds of them, and not one scan."""
    elsewhere = workdir / "elsewhere"
    elsewhere.mkdir()
    with DaemonAmongMounts(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        scans, cpu = full_scans(daemon), daemon.metrics().number("process_cpu_seconds_total")
        looks = daemon.metrics().number("driftd_detection_latency_seconds_count")
        daemon.run(
            f"for i in $(seq 300); do mkdir {elsewhere}/$i; mount -t tmpfs none {elsewhere}/$i; done\n"
            f"umount {elsewhere}/*"
        )
        daemon.run(f"mount -t tmpfs none {app.root}/lib")
        wait_for_unverified(daemon, 1)
        page = daemon.metrics()
        assert page.number("driftd_scans_total", tree="app", type="full") == scans
        assert page.number("driftd_scans_total", tree="app", type="quick") == 0
        assert page.number("driftd_detection_latency_seconds_count") <= looks + 1
        assert page.number("process_cpu_seconds_total") - cpu < 2
