"""Asks the kernel itself whether it would tell of changes below a path, so that no test takes driftd's word for it."""

import ctypes
import os
from pathlib import Path

# linux/fanotify.h
FAN_REPORT_DFID_NAME_TARGET = 0x200 | 0x400 | 0x800 | 0x1000
FAN_MARK_ADD_FILESYSTEM = 0x1 | 0x100
FAN_MODIFY_CREATE_DELETE = 0x2 | 0x100 | 0x200
AT_FDCWD = -100


def kernel_can_watch(path: Path) -> bool:
    """True where a file system mark that reports names is granted, which is what watching by events takes."""
    libc = ctypes.CDLL(None, use_errno=True)
    group = libc.fanotify_init(FAN_REPORT_DFID_NAME_TARGET, 0)
    if group < 0:
        return False
    try:
        mask = ctypes.c_uint64(FAN_MODIFY_CREATE_DELETE)
        flags = ctypes.c_uint(FAN_MARK_ADD_FILESYSTEM)
        return libc.fanotify_mark(group, flags, mask, ctypes.c_int(AT_FDCWD), os.fsencode(path)) == 0
    finally:
        os.close(group)
