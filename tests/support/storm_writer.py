"""One of several processes that change trees at random: `python3 storm_writer.py`, told on standard input what to do.

A line asks for storms, each in one tree: {"storms": [STORM...]}, as Storm.as_request() has them. What was done is
answered in a line: for each storm a list of operations, with the error of those that failed. The operations follow from
the storm's seed alone: paths are picked from a few, whether they are there or not, so that many operations fail, and
what another process does in the meantime makes no difference to what is tried.
"""

import ctypes
import errno
import json
import mmap
import os
import random
import stat
import struct
import sys
import time
from collections.abc import Callable

AT_FDCWD = -100
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)

DIRECTORIES = ("", "a", "a/c", "a/c/d", "b", "b/e")
NEW_DIRECTORIES = ("n", "n/o", "a/n", "b/e/n")
FREE_DIRECTORIES = ("cache", "cache/n")
FILES = ("f0", "f1", "f2", "f3")
NEW_FILES = ("g0", "g1")
LINKS = {"s0": "f0", "a/s0": "../b/f1", "b/s0": "e", "b/e/s0": "nowhere"}
AWAY = 3  # places beside the tree

CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
NOBODY = 2**32 - 1
ACL_OF_ANOTHER = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, who)
    for tag, permissions, who in ((1, 6, NOBODY), (2, 6, 1000), (4, 4, NOBODY), (16, 6, NOBODY), (32, 4, NOBODY))
)


def join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


RELEASED = {join(directory, name): f"{directory} {name}\n".encode() * 9 for directory in DIRECTORIES for name in FILES}
EXECUTABLE = {"f3", "a/c/f3"}


def release_into(root: str) -> None:
    """What the release holds; nothing else is left."""
    remove_below(root)
    for directory in (*DIRECTORIES[1:], "cache"):
        os.makedirs(f"{root}/{directory}")
    for path, content in RELEASED.items():
        restore(f"{root}/{path}", content, 0o755 if path in EXECUTABLE else 0o644)
    for path, target in LINKS.items():
        os.symlink(target, f"{root}/{path}")


def remove_below(directory: str) -> None:
    for entry in os.scandir(directory):
        remove(entry.path)


def remove(path: str) -> None:
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            remove_below(path)
            os.rmdir(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass  # another was quicker


def restore(path: str, content: bytes, mode: int) -> None:
    """As a deploy does: a new file in the place of whatever is there."""
    beside = f"{path}.tmp{os.getpid()}"
    write(beside, content, os.O_CREAT | os.O_TRUNC)
    os.chmod(beside, mode)
    os.rename(beside, path)


def write(path: str, content: bytes, flags: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | flags, 0o644)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)


def renameat2(old: str, new: str, flags: int) -> None:
    if _libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def store_by_mapping(path: str, content: bytes) -> None:
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        mapped = mmap.mmap(fd, 0)
    finally:
        os.close(fd)
    with mapped:
        mapped[: min(len(content), len(mapped))] = content[: len(mapped)]


def link_unnamed(path: str, content: bytes) -> None:
    fd = os.open(os.path.dirname(path), os.O_TMPFILE | os.O_WRONLY, 0o644)
    try:
        os.write(fd, content)
        # With a descriptor Python calls linkat(), which follows the link.
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd)
    finally:
        os.close(fd)


def retarget(path: str, target: str) -> None:
    beside = f"{path}.tmp{os.getpid()}"
    os.symlink(target, beside)
    os.rename(beside, path)


def make_full_directory(path: str) -> None:
    os.makedirs(f"{path}/c")
    for name in ("f0", "c/f1", "c/g0"):
        write(f"{path}/{name}", b"of a new directory\n", os.O_CREAT)


class Storm:
    """What one process does to one tree. `free`: also where the release lets anything be, but without privileges: there
    a file with privileges has a finding for each of its names, and only listed names are known as one file's."""

    def __init__(self, root: str, seed: str, count: int, pause: float, free: bool) -> None:
        self.root, self.seed, self.count, self.pause, self.free = root, seed, count, pause, free
        self.random = random.Random(seed)
        self.done: list[str] = []
        self.kinds: list[Callable[[], None]] = [
            kind for kind, weight in self.operations().items() for _ in range(weight)
        ]

    def as_request(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("root", "seed", "count", "pause", "free")}

    def operations(self) -> dict[Callable[[], None], int]:
        return {
            self.restores: 14, self.writes: 6, self.creates: 6, self.appends: 3, self.truncates: 3, self.maps: 5,
            self.renames: 8, self.renames_directory: 6, self.exchanges: 4, self.links: 10, self.unlinks: 6,
            self.makes_directory: 5, self.makes_full_directory: 2, self.removes_directory: 2, self.removes_all: 2,
            self.changes_mode: 6, self.changes_directory_mode: 2, self.sets_attribute: 3, self.sets_times: 1,
            self.retargets: 3, self.makes_link: 2, self.links_unnamed: 2, self.makes_pipe: 1,
            self.moves_away: 4, self.moves_back: 5, self.moves_file_away: 1,
        }  # fmt: skip

    def step(self) -> None:
        kind = self.random.choice(self.kinds)
        try:
            kind()
        except OSError as error:
            self.done[-1] += f": {errno.errorcode.get(error.errno or 0, error)}"
        except ValueError as error:  # of mmap, for an empty file
            self.done[-1] += f": {error}"
        if self.pause:
            time.sleep(self.random.random() * self.pause)

    def tell(self, *words: object) -> None:
        self.done.append(" ".join(map(str, words)))

    def directory(self) -> str:
        return self.random.choice(DIRECTORIES + NEW_DIRECTORIES + (FREE_DIRECTORIES if self.free else ()))

    def subdirectory(self) -> str:
        return self.directory() or "a"

    def path(self) -> str:
        return join(self.directory(), self.random.choice(FILES * 2 + NEW_FILES))

    def link(self) -> str:
        return self.random.choice([*LINKS, "a/s1", "b/e/s1", "a/c/f2"])

    def content(self) -> bytes:
        return self.random.choice(list(RELEASED.values()) + [bytes([self.random.randrange(256)]) * 100] * 20)

    def at(self, path: str) -> str:
        return f"{self.root}/{path}"

    def restores(self) -> None:
        path = self.random.choice(list(RELEASED))
        self.tell("restore", path)
        os.makedirs(self.at(os.path.dirname(path)), exist_ok=True)
        restore(self.at(path), RELEASED[path], 0o755 if path in EXECUTABLE else 0o644)

    def writes(self) -> None:
        path, content = self.path(), self.content()
        self.tell("write", path)
        write(self.at(path), content, os.O_TRUNC)

    def creates(self) -> None:
        path, content = self.path(), self.content()
        self.tell("create", path)
        write(self.at(path), content, os.O_CREAT | os.O_TRUNC)

    def appends(self) -> None:
        path = self.path()
        self.tell("append", path)
        write(self.at(path), b"more\n", os.O_APPEND)

    def truncates(self) -> None:
        path, size = self.path(), self.random.choice((0, 5, 45))
        self.tell("truncate", path, size)
        os.truncate(self.at(path), size)

    def maps(self) -> None:
        path, content = self.path(), self.content()
        self.tell("map and store", path)
        store_by_mapping(self.at(path), content)

    def renames(self) -> None:
        old, new = self.path(), self.path()
        self.tell("rename", old, new)
        os.rename(self.at(old), self.at(new))

    def renames_directory(self) -> None:
        old, new = self.subdirectory(), self.subdirectory()
        self.tell("rename", old, new)
        os.rename(self.at(old), self.at(new))

    def exchanges(self) -> None:
        pick = self.random.choice((self.path, self.subdirectory))
        old, new = pick(), pick()
        self.tell("exchange", old, new)
        renameat2(self.at(old), self.at(new), RENAME_EXCHANGE)

    def links(self) -> None:
        old, new = self.path(), self.path()
        is_over = self.random.random() < 0.5
        self.tell("link over" if is_over else "link", old, new)
        if not is_over:
            return os.link(self.at(old), self.at(new), follow_symlinks=False)
        beside = f"{self.at(new)}.tmp{os.getpid()}"
        os.link(self.at(old), beside, follow_symlinks=False)
        try:
            os.rename(beside, self.at(new))
        finally:
            remove(beside)  # of a rename to another name of the same file, which does nothing

    def unlinks(self) -> None:
        path = self.path()
        self.tell("unlink", path)
        os.unlink(self.at(path))

    def makes_directory(self) -> None:
        path = self.subdirectory()
        self.tell("mkdir -p", path)
        os.makedirs(self.at(path))

    def makes_full_directory(self) -> None:
        path = self.subdirectory()
        self.tell("mkdir with files", path)
        make_full_directory(self.at(path))

    def removes_directory(self) -> None:
        path = self.subdirectory()
        self.tell("rmdir", path)
        os.rmdir(self.at(path))

    def removes_all(self) -> None:
        path = self.subdirectory()
        self.tell("rm -r", path)
        remove(self.at(path))

    def changes_mode(self) -> None:
        modes = (0o644, 0o644, 0o600, 0o755, 0o666) + (() if self.free else (0o4755, 0o2644))
        path, mode = self.path(), self.random.choice(modes)
        self.tell(f"chmod {mode:o}", path)
        os.chmod(self.at(path), mode)

    def changes_directory_mode(self) -> None:
        # Not of the root, after which all below is looked at.
        path, mode = self.subdirectory(), self.random.choice((0o755, 0o755, 0o700, 0o777, 0o1777))
        self.tell(f"chmod {mode:o}", path)
        os.chmod(self.at(path), mode)

    def sets_attribute(self) -> None:
        names = ["user.note", "system.posix_acl_access"] + ([] if self.free else ["security.capability"])
        path, name, is_set = self.path(), self.random.choice(names), self.random.random() < 0.6
        self.tell("setxattr" if is_set else "removexattr", path, name)
        values = {"system.posix_acl_access": ACL_OF_ANOTHER, "security.capability": CAPABILITY}
        if is_set:
            os.setxattr(self.at(path), name, values.get(name, b"noted"))
        else:
            os.removexattr(self.at(path), name)

    def sets_times(self) -> None:
        path = self.path()
        self.tell("utime", path)
        os.utime(self.at(path), (1, 1))

    def retargets(self) -> None:
        path = self.link()
        target = self.random.choice((LINKS.get(path, "f1"), "f1", "../a/f2"))
        self.tell("retarget", path, target)
        retarget(self.at(path), target)

    def makes_link(self) -> None:
        path = self.random.choice((self.path(), self.subdirectory()))
        self.tell("rm and symlink", path)
        os.unlink(self.at(path))
        os.symlink("f0", self.at(path))

    def links_unnamed(self) -> None:
        path, content = self.path(), self.content()
        self.tell("O_TMPFILE and link", path)
        link_unnamed(self.at(path), content)

    def makes_pipe(self) -> None:
        path = self.path()
        self.tell("mkfifo", path)
        os.mkfifo(self.at(path))

    def away(self) -> str:
        return f"{self.root}-away/{self.random.randrange(AWAY)}"

    def moves_away(self) -> None:
        path, away = self.subdirectory(), self.away()
        self.tell("move away", path, away[-1])
        os.rename(self.at(path), away)

    def moves_back(self) -> None:
        path, away = self.subdirectory(), self.away()
        self.tell("move back", away[-1], path)
        os.rename(away, self.at(path))

    def moves_file_away(self) -> None:
        path, away = self.path(), self.away()
        self.tell("move away", path, f"{away[-1]}/f0")
        os.rename(self.at(path), f"{away}/f0")


def run_at_once(storms: list[Storm]) -> list[list[str]]:
    """One operation here and one there, so that all the trees are changed at the same time."""
    for number in range(max(storm.count for storm in storms)):
        for storm in storms:
            if number < storm.count:
                storm.step()
    return [storm.done for storm in storms]


def main() -> None:
    os.umask(0o022)
    for line in sys.stdin:
        done = run_at_once([Storm(**storm) for storm in json.loads(line)["storms"]])
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
