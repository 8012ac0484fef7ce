"""Rewrites files as fast as it can: `python3 rewriter.py ROOT FIRST END DIRECTORIES`.

It says that it is ready, and begins with a line on standard input. The files are as name_of() names them; their content
is turned into capital letters, of the same length.
"""

import os
import sys


def name_of(number: int, directories: int) -> str:
    return f"d{number % directories:03}/f{number}"


def content_of(number: int) -> bytes:
    return b"content of file %d\n" % number


def main() -> None:
    root, first, end, directories = sys.argv[1], *map(int, sys.argv[2:])
    files = [(f"{root}/{name_of(number, directories)}", content_of(number).upper()) for number in range(first, end)]
    print("ready", flush=True)
    sys.stdin.readline()
    for path, content in files:
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
        os.write(fd, content)
        os.close(fd)


if __name__ == "__main__":
    main()
