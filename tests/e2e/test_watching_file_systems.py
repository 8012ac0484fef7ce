"""Trees on the file systems that people use: where events are to be had they are used, and where not that is said."""

import shlex
from pathlib import Path

import pytest

from support.control import command
from support.daemon import Daemon
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.mounts import DaemonAmongMounts, require_mounts
from support.programs import DRIFT, run, succeed
from support.site import Site, Tree

pytestmark = needs_root

SOON = 3.0
POLLED = 10.0


def knows(file_system: str) -> bool:
    names = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    return file_system in names or run(["modprobe", file_system]).code == 0


def image(workdir: Path, size: str, mkfs: list[str]) -> Path:
    disk = workdir / "disk"
    succeed(["truncate", "-s", size, disk])
    succeed([*mkfs, disk])
    return disk


def on_disk(size: str, *mkfs: str):
    return lambda workdir, at: f"mount -o loop {image(workdir, size, list(mkfs))} {at}"


def on_subvolume(workdir: Path, at: Path) -> str:
    """As distributions lay it out: what is around the subvolume is mounted nowhere."""
    disk = image(workdir, "200M", ["mkfs.btrfs", "-q"])
    make = f"mount -o loop {disk} {at}; btrfs subvolume create {at}/@; umount {at}"
    return f"{make}; mount -o loop,subvol=@ {disk} {at}"


def on_overlay(*options: str):
    def script(workdir: Path, at: Path) -> str:
        layers = workdir / "layers"
        lower, upper, work = (layers / name for name in ("lower", "upper", "work"))
        where = f"lowerdir={lower},upperdir={upper},workdir={work}"
        return (
            f"mkdir {layers}; mount -t tmpfs none {layers}; mkdir {lower} {upper} {work}\n"
            f"mount -t overlay -o {','.join([where, *options])} none {at}"
        )

    return script


# The file system -> the script that mounts it, and whether its changes are told.
FILE_SYSTEMS = {
    "ext4": (on_disk("16M", "mkfs.ext4", "-q"), "events"),
    "xfs": (on_disk("400M", "mkfs.xfs", "-q"), "events"),
    "btrfs": (on_disk("200M", "mkfs.btrfs", "-q"), "events"),
    "btrfs subvolume": (on_subvolume, "events"),
    "tmpfs": (lambda workdir, at: f"mount -t tmpfs none {at}", "events"),
    "overlay": (on_overlay(), "polling"),
    "overlay nfs_export": (on_overlay("index=on", "nfs_export=on"), "events"),
}


def wait_for_edit(daemon: DaemonAmongMounts, tree: Tree, mode: str) -> None:
    patience = SOON if mode == "events" else POLLED
    daemon.run(f"echo edited >> {tree.root}/lib/util.py")
    daemon.wait_for_drift("app", {"modified": 1}, patience)
    daemon.run(f"mkdir {tree.root}/new; echo x > {tree.root}/new/file")
    daemon.wait_for_drift("app", {"modified": 1, "added": 1}, patience)
    daemon.run(f"echo edited through another name >> {tree.root.parent}/second")
    daemon.wait_for_drift("app", {"modified": 2, "added": 1}, patience)


@pytest.mark.parametrize("name", FILE_SYSTEMS)
def test_a_tree_on(site: Site, app: Tree, workdir: Path, name: str) -> None:
    require_mounts()
    if not knows(name.split()[0]):
        pytest.skip(f"this kernel has no {name}")
    if not kernel_can_watch(Path("/dev/shm")):
        pytest.skip("the kernel grants nobody here a fanotify mark")
    script, mode = FILE_SYSTEMS[name]
    copy = workdir / "copy"
    succeed(["cp", "-a", app.root, copy])
    app.settings.update(quick_scan="1h" if mode == "events" else "1s")
    mount = script(workdir, app.root.parent)
    fill = f"cp -a {copy} {app.root}; ln {app.root}/app.py {app.root.parent}/second"
    with DaemonAmongMounts(site, f"{mount}; {fill}") as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        page = daemon.metrics()
        assert page.value("driftd_watch_active", tree="app", mode=mode) == 1, daemon.log().decode()
        if mode == "polling":
            assert b"app: watching by polling (fanotify: Operation not supported)" in daemon.log()
        wait_for_edit(daemon, app, mode)


def test_a_subvolume_in_the_tree(site: Site, app: Tree, workdir: Path) -> None:
    """Another device by its number, the same mount and the same file system for whoever walks through it."""
    require_mounts()
    if not knows("btrfs"):
        pytest.skip("this kernel has no btrfs")
    copy = workdir / "copy"
    succeed(["cp", "-a", app.root, copy])
    app.settings.update(quick_scan="1h")
    inner = f"rm -r {app.root}/lib; btrfs subvolume create {app.root}/lib; cp -a {copy}/lib/. {app.root}/lib"
    script = f"{on_subvolume(workdir, app.root.parent)}; cp -a {copy} {app.root}; {inner}"
    with DaemonAmongMounts(site, script) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        daemon.run(f"echo edited >> {app.root}/lib/util.py")
        daemon.wait_for_drift("app", {"modified": 1}, SOON)


def test_the_watch_of_one_tree_says_nothing_of_the_other(site: Site, app: Tree, workdir: Path) -> None:
    require_mounts()
    other = site.tree("other", quick_scan="1s")
    (other.root / "file").write_text("x\n")
    site.release(other)
    app.settings.update(quick_scan="1h")
    overlay = on_overlay()(workdir, other.root)
    with DaemonAmongMounts(site, f"{overlay}; echo x > {other.root}/file") as daemon:
        daemon.wait_ready().wait_for_drift("other", {})
        modes = {
            tree: [mode for mode in ("events", "polling") if watched(daemon, tree, mode)] for tree in ("app", "other")
        }
        assert modes == {"app": ["events"], "other": ["polling"]}


def test_what_is_written_to_the_disk_below_the_file_system(site: Site, app: Tree, workdir: Path) -> None:
    """Nobody is told of it, and no time changes. A full scan finds it once the page is not in memory any more."""
    require_mounts()
    (app.root / "needle").write_text("haystack" * 1000)
    site.release(app)
    app.settings.update(quick_scan="1h")
    copy = workdir / "copy"
    succeed(["cp", "-a", app.root, copy])
    mount = on_disk("16M", "mkfs.ext4", "-q")(workdir, app.root.parent)
    with DaemonAmongMounts(site, f"{mount}; cp -a {copy} {app.root}; sync -f {app.root}") as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        with (workdir / "disk").open("r+b") as disk:
            blocks = disk.read()
            assert blocks.count(b"haystack" * 1000) == 1
            disk.seek(blocks.index(b"haystack" * 1000))
            disk.write(b"HAYSTACK")
        drop = "import os; os.posix_fadvise(os.open('needle', os.O_RDONLY), 0, 0, os.POSIX_FADV_DONTNEED)"
        daemon.run(f"cd {app.root}; /usr/bin/python3 -c {shlex.quote(drop)}; grep -q ^HAYSTACK needle")
        command(site, "scan", "now").expect(DRIFT)
        daemon.wait_for_drift("app", {"modified": 1})


def watched(daemon: Daemon, tree: str, mode: str) -> bool:
    return daemon.metrics().value("driftd_watch_active", tree=tree, mode=mode) == 1
