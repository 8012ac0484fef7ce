"""Names of owners lead to numbers by /etc/passwd and /etc/group, which may change under a running daemon."""

import os

import pytest

from support.daemon import Daemon
from support.marks import needs_root
from support.mounts import DaemonAmongMounts, require_mounts
from support.site import Site, Tree, write_files

pytestmark = needs_root

ACCOUNTS = "root:x:0:0::/:/bin/sh\napp:x:0:0::/:/bin/false\n"
MOVED = ACCOUNTS.replace("app:x:0", "app:x:4001")


@pytest.fixture(autouse=True)
def owned(site: Site, app: Tree) -> None:
    require_mounts()
    site.release(app, "--owner", "app:root")
    write_files(site.directory, {"passwd": ACCOUNTS, "group": "root:x:0:\n"})


def daemon_for(site: Site) -> Daemon:
    script = "\n".join(f"mount --bind {site.directory / name} /etc/{name}" for name in ("passwd", "group"))
    return DaemonAmongMounts(site, script)


def test_a_quick_scan_goes_by_the_numbers_of_now(site: Site, app: Tree) -> None:
    app.settings.update(quick_scan="1s", full_scan="24h")
    entries = app.manifest.read_text().count("uname=app")
    with daemon_for(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        write_files(site.directory, {"passwd": MOVED})
        daemon.wait_for_drift("app", {"metadata": entries}, 10)
        write_files(site.directory, {"passwd": ACCOUNTS})
        daemon.wait_for_drift("app", {}, 10)


def test_so_does_a_look_at_what_was_changed(site: Site, app: Tree) -> None:
    app.settings.update(quick_scan="1h", full_scan="24h")
    with daemon_for(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        write_files(site.directory, {"passwd": MOVED})
        os.utime(app.root / "app.py")
        daemon.wait_for_drift("app", {"metadata": 1})
        os.utime(app.root / "settings.py")
        daemon.wait_for_drift("app", {"metadata": 2})
