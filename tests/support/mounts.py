"""Mounts that only one program sees, and that are gone with it."""

import functools
import subprocess
from pathlib import Path

import pytest

from support.checks import Found, parse
from support.daemon import Daemon
from support.programs import DRIFTD, environment, run, succeed
from support.site import Site

_PRIVATE = ["unshare", "--mount", "--propagation", "private", "sh", "-ec"]


@functools.cache
def may_mount() -> bool:
    """Root in a container is often not allowed to."""
    return subprocess.run([*_PRIVATE, "mount -t tmpfs none /mnt"], capture_output=True).returncode == 0


def require_mounts() -> None:
    if not may_mount():
        pytest.skip("this machine lets nobody mount, not even in a mount namespace of one's own")


def check_among_mounts(site: Site, script: str, *arguments: str | Path, cwd: Path | None = None) -> Found:
    """One --check in a mount namespace of its own, after `script` has mounted what it likes there."""
    driftd = [DRIFTD, "--check", "--config", site.write_config(), "--json", *arguments]
    command = [*_PRIVATE, f'{script}\nexec "$@"', "sh", *driftd]
    return parse(run(command, env=environment(**site.directories()), cwd=cwd))


class DaemonAmongMounts(Daemon):
    """In a mount namespace of its own, where `script` has run before it starts."""

    def __init__(self, site: Site, script: str = "") -> None:
        super().__init__(site, within=[*_PRIVATE, f'{script}\nexec "$@"', "sh"])

    def run(self, script: str) -> None:
        """There."""
        succeed(["nsenter", "-t", str(self.pid), "-m", "--", "sh", "-ec", script])


def ext4_disk(image: Path, content: Path) -> Path:
    """A file system with that content and nothing beside it, to be mounted with `-o loop`."""
    succeed(["truncate", "-s", "16M", image])
    succeed(["mkfs.ext4", "-q", "-d", content, image])
    succeed(["debugfs", "-w", "-R", "rmdir lost+found", image])
    return image
