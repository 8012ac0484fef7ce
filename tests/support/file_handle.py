"""Files by their handles, as name_to_handle_at(2) and open_by_handle_at(2) have it."""

import ctypes
import os
from pathlib import Path

AT_FDCWD = -100
MAX_HANDLE_SIZE = 128


class FileHandle(ctypes.Structure):
    _fields_ = (
        ("handle_bytes", ctypes.c_uint),
        ("handle_type", ctypes.c_int),
        ("f_handle", ctypes.c_ubyte * MAX_HANDLE_SIZE),
    )

    @classmethod
    def of(cls, path: Path) -> "FileHandle":
        handle = cls(handle_bytes=MAX_HANDLE_SIZE)
        mount = ctypes.c_int()
        _call("name_to_handle_at", AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount), 0)
        return handle

    def open(self, mount: Path, flags: int) -> int:
        """A descriptor, on the file system of the directory `mount`."""
        directory = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return _call("open_by_handle_at", directory, ctypes.byref(self), flags | os.O_CLOEXEC)
        finally:
            os.close(directory)


def _call(name: str, *arguments: object) -> int:
    result = int(getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
