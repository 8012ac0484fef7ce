"""How changes are noticed where no events tell of them."""

import mmap
import os
import subprocess
import time
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.marks import needs_root
from support.programs import succeed
from support.site import Site, Tree, small_application, write_files

POLL_SECONDS = 10


def rewrite_with_old_times(root: Path) -> None:
    """Same size, and times put back: only the inode's change time tells."""
    file = root / "settings.py"
    before = file.stat()
    file.write_bytes(file.read_bytes().replace(b"False", b"FALSE"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def store_through_a_mapping(root: Path) -> None:
    with (root / "settings.py").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        # A page that was read first can be written to without a trace on a file system in memory.
        mapped[0] ^= 1


POLLED = {
    "a store through a mapping": (store_through_a_mapping, {"modified": 1}),
    "an edit": (lambda root: write_files(root, {"app.py": "edited\n"}), {"modified": 1}),
    "an edit with its times put back": (rewrite_with_old_times, {"modified": 1}),
    "a new file": (lambda root: write_files(root, {"lib/deep/new.py": "x\n"}), {"added": 1}),
    "a file removed": (lambda root: (root / "lib/util.py").unlink(), {"missing": 1}),
    "chmod": (lambda root: (root / "bin/run").chmod(0o777), {"metadata": 1}),
    "a link changed": (lambda root: ((root / "current").unlink(), (root / "current").symlink_to("x")), {"target": 1}),
}


@pytest.mark.parametrize("case", POLLED)
def test_polling_finds(site: Site, app: Tree, case: str) -> None:
    edit, drift = POLLED[case]
    app.settings["quick_scan"] = "1s"
    site.settings["watch"] = "polling"
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        assert daemon.metrics().value("driftd_watch_active", tree="app", mode="polling") == 1
        edit(app.root)
        daemon.wait_for_drift("app", drift, POLL_SECONDS)
        page = daemon.metrics()
        assert sum(page.number("driftd_scans_total", tree="app", type=type) for type in ("full", "quick")) >= 2
        assert page.value("driftd_watch_events_total", tree="app") == 0


@needs_root
def test_polling_finds_what_leaves_no_time_in_memory(site: Site, workdir: Path) -> None:
    """Once what was read is old enough to be believed by its times."""
    site.settings["watch"] = "polling"
    memory = workdir / "memory"
    memory.mkdir()
    succeed(["mount", "-t", "tmpfs", "memory", memory])
    try:
        tree = site.tree("app", small_application(memory / "app"), quick_scan="1s")
        site.release(tree)
        with Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("app", {})
            time.sleep(4)
            store_through_a_mapping(tree.root)
            daemon.wait_for_drift("app", {"modified": 1}, POLL_SECONDS)
    finally:
        subprocess.run(["umount", "--lazy", memory], check=False)
