"""Takes the change events away from a running daemon, without its knowing: by a copy of its own fanotify descriptor."""

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# asm/unistd_64.h, linux/fanotify.h
PIDFD_OPEN, PIDFD_GETFD = 434, 438
FAN_MARK_ADD, FAN_MARK_REMOVE, FAN_MARK_FLUSH, FAN_MARK_FILESYSTEM = 0x1, 0x2, 0x80, 0x100
FAN_MARK_IGNORE_SURV = 0x400 | 0x40
# What is written, closed, created, deleted, moved or has its attributes changed, directories as well.
ALL_CHANGES = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x10000000 | 0x40000000 | 0x8000000
FAN_REPORT_PIDFD = 0x80
AT_FDCWD = -100

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result


@contextmanager
def fanotify_of(pid: int) -> Iterator[int]:
    """The process's group that tells of changes, open here as well. Those that tell who made them have pidfds."""

    def tells_of_changes(fd: Path) -> bool:
        try:
            if os.readlink(fd) != "anon_inode:[fanotify]":
                return False
            info = Path(f"/proc/{pid}/fdinfo/{fd.name}").read_text()
        except FileNotFoundError:  # closed meanwhile
            return False
        flags = re.search(r"fanotify flags:([0-9a-f]+)", info)
        return flags is not None and int(flags[1], 16) & FAN_REPORT_PIDFD == 0

    theirs = [int(fd.name) for fd in Path(f"/proc/{pid}/fd").iterdir() if tells_of_changes(fd)]
    assert len(theirs) == 1, theirs
    process = _checked(_libc.syscall(PIDFD_OPEN, pid, 0), "pidfd_open")
    try:
        group = _checked(_libc.syscall(PIDFD_GETFD, process, theirs[0], 0), "pidfd_getfd")
    finally:
        os.close(process)
    try:
        yield group
    finally:
        os.close(group)


def take_watches(pid: int) -> None:
    """As the kernel does with the last mount of a file system: the marks are gone, and nobody is told."""
    with fanotify_of(pid) as group:
        flags = ctypes.c_uint(FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM)
        _checked(_libc.fanotify_mark(group, flags, ctypes.c_uint64(0), AT_FDCWD, b"/"), "fanotify_mark")


@contextmanager
def deafened(pid: int, directory: Path) -> Iterator[None]:
    """No change on the directory's file system is told to the process, though its watch stays in place."""

    def ignore(action: int) -> None:
        flags = ctypes.c_uint(action | FAN_MARK_FILESYSTEM | FAN_MARK_IGNORE_SURV)
        path = os.fsencode(directory)
        _checked(_libc.fanotify_mark(group, flags, ctypes.c_uint64(ALL_CHANGES), AT_FDCWD, path), "fanotify_mark")

    with fanotify_of(pid) as group:
        ignore(FAN_MARK_ADD)
        try:
            yield
        finally:
            ignore(FAN_MARK_REMOVE)
