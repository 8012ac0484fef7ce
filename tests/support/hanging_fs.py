"""A file system that shows a directory, and hangs when it is told to: a dead NFS server, in small."""

import ctypes.util
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.waiting import wait_until


_SERVER = Path(__file__).with_name("hanging_fs_server.py")


class HangingMount:
    def __init__(self, mount: Path, switch: Path) -> None:
        self.mount = mount
        self._switch = switch

    def hang(self, what: str = "all") -> None:
        """`all`: nothing is answered any more; `reads`: no content is; `slowly`: content is, 2.5 s for each piece."""
        self._switch.write_text(what)

    def wait_until_somebody_waits(self) -> None:
        waiting = self._switch.with_name(self._switch.name + ".waiting")
        wait_until(waiting.exists, bool, f"somebody waits for {self.mount}", seconds=20)

    def answer(self) -> None:
        self._switch.write_text("")


def require_fuse() -> None:
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not ctypes.util.find_library("fuse"):
        pytest.skip("needs root, /dev/fuse and libfuse")
    if not importlib.util.find_spec("fusepy"):
        pytest.skip("needs python3-fusepy")


@contextmanager
def hanging_mount(source: Path, mount: Path, switch: Path | None = None) -> Iterator[HangingMount]:
    """`switch`: a file to be, for when none may be beside `mount`."""
    require_fuse()
    switch = switch or mount.with_name(mount.name + ".switch")
    switch.write_text("")
    mount.mkdir(exist_ok=True)
    server = subprocess.Popen([sys.executable, _SERVER, source, mount, switch], start_new_session=True)
    hanging = HangingMount(mount, switch)
    try:
        wait_until(lambda: os.path.ismount(mount), bool, f"{mount} is mounted", seconds=20)
        yield hanging
    finally:
        hanging.answer()
        subprocess.run(["umount", "--lazy", mount], check=False)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)
