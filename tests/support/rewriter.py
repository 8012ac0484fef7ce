"""Rewrites files as fast as it can: `python3 rewriter.py ROOT FIRST END released|edited`.

It says that it is ready, and begins with a line on standard input. The files are as name_of() names them.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

DIRECTORIES = 100


def name_of(number: int) -> str:
    return f"d{number % DIRECTORIES:03}/f{number}"


def content_of(number: int, state: str) -> bytes:
    """Of the same length in both states."""
    content = b"content of file %d\n" % number
    return content if state == "released" else content.upper()


def rewrite(root: Path, count: int, state: str, writers: int) -> float:
    """All of them, by so many processes at the same time; gives how long that took."""
    share = count // writers
    processes = [
        subprocess.Popen(
            [sys.executable, "-P", __file__, root, str(first), str(first + share), state],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for first in range(0, count, share)
    ]
    for process in processes:
        assert process.stdout and process.stdout.readline() == b"ready\n"
    began = time.monotonic()
    for process in processes:
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * writers
    return time.monotonic() - began


def main() -> None:
    root, first, end, state = sys.argv[1:]
    files = [(f"{root}/{name_of(number)}", content_of(number, state)) for number in range(int(first), int(end))]
    print("ready", flush=True)
    sys.stdin.readline()
    for path, content in files:
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
        os.write(fd, content)
        os.close(fd)


if __name__ == "__main__":
    main()
