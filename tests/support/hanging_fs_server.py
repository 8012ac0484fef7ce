"""The program behind hanging_fs: `hanging_fs_server.py SOURCE MOUNT SWITCH` shows SOURCE at MOUNT until it is unmounted.
While the file SWITCH holds `all`, it answers nothing; with `reads`, it gives no content; with `slowly`, it gives one
piece of content after the other, each after 2.5 s. Once somebody waits for it there is a file SWITCH.waiting."""

import errno
import os
import sys
import threading
import time
from pathlib import Path

import fusepy as fuse

SOURCE, MOUNT, SWITCH = sys.argv[1:]


def wait_while(kind: str) -> None:
    while Path(SWITCH).read_text() == kind:
        Path(SWITCH + ".waiting").touch()
        time.sleep(0.02)


ONE_AT_A_TIME = threading.Lock()


def take_time() -> None:
    with ONE_AT_A_TIME:
        if Path(SWITCH).read_text() == "slowly":
            time.sleep(2.5)


class Mirror(fuse.Operations):
    def __call__(self, operation: str, *arguments: object) -> object:
        wait_while("all")
        return super().__call__(operation, *arguments)

    def _at(self, path: str) -> str:
        return SOURCE + path

    def getattr(self, path: str, handle: int | None = None) -> dict[str, int | float]:
        status = os.lstat(self._at(path))
        names = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime", "st_ctime", "st_atime")
        return {name: getattr(status, name) for name in names}

    def readdir(self, path: str, handle: int) -> list[str]:
        return [".", "..", *os.listdir(self._at(path))]

    def readlink(self, path: str) -> str:
        return os.readlink(self._at(path))

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        raise fuse.FuseOSError(errno.ENODATA)

    def listxattr(self, path: str) -> list[str]:
        return []

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags & ~os.O_NOFOLLOW)

    def read(self, path: str, size: int, offset: int, handle: int) -> bytes:
        wait_while("reads")
        take_time()
        return os.pread(handle, size, offset)

    def release(self, path: str, handle: int) -> int:
        os.close(handle)
        return 0


fuse.FUSE(Mirror(), MOUNT, foreground=True, attr_timeout=0, entry_timeout=0, fsname="hanging")
