"""Names that are legal in a file system and break careless software.

A correct program lists each of them exactly, never takes one for another, carries it through a manifest and back, and
sends no raw control byte of it to a terminal, a log, JSON or a metrics page.

usage: hostile_names.py DIRECTORY
"""

import os
import sys
from collections.abc import Sequence

WHITE_SPACE = [b" ", b"  ", b"in the middle", b" before", b"after ", b"tab\tbed", b"two\nlines", b"\nfirst", b"last\n"]
WHITE_SPACE += [b"carriage\rreturn", b"vertical\x0btab", b"form\x0cfeed", b"\n" * 12]
WHITE_SPACE += ["no\u00a0break".encode(), "line\u2028separator".encode()]

TERMINAL = [b"\x1b[2J\x1b[H", b"\x1b[31mred\x1b[0m", b"\x1b]0;window title\x07"]
TERMINAL += [b"\x1b]8;;x:y\x1b\\link\x1b]8;;\x1b\\", b"bell\x07", b"back\x08\x08space", b"delete\x7f"]
TERMINAL += [b"\x01\x02\x03\x1f", b"c1-byte-\x9b31m", "c1-char-\u009b31m".encode()]

NOT_UTF8 = [b"latin1-\xe9", b"\xff", b"\xff\xfe\xfd", b"overlong-\xc0\xaf", b"overlong-nul-\xc0\x80"]
NOT_UTF8 += [b"surrogate-\xed\xa0\x80", b"cut-\xe2\x82", b"\x80continued", b"beyond-\xf4\x90\x80\x80"]
NOT_UTF8 += [b"mixed-\xc3\xa9-\xe9"]

UNICODE = ["\u2603", "composed-\u00e9", "composed-e\u0301", "invoice-\u202efdp.exe", "isolate-\u2066x\u2069"]
UNICODE += ["mark-\u200f\u061c", "zero\u200bwidth", "zero\u200d\u200cjoin", "\ufefforder", "\u0430dmin"]
UNICODE += ["\U0001f4a9", "noncharacter-\uffff"]

QUOTING = [b"it's", b'say "x"', b"back\\slash", b"back\\\\slash", b"trail\\", b"\\", b"\\012", b"\\n", b"\\x1b"]
QUOTING += [b"\\u202e", b"\\134", b"$HOME", b"$(id)", b"`id`", b"; id", b"| cat", b"a&&b", b"&amp;"]
QUOTING += [b"<script>alert(1)<!--", b"' OR 1=1 --", b"%s%n%d", b"%00", b"{{7*7}}", b"{}", b"${jndi:ldap:x}"]

DOTS_AND_DASHES = [b"...", b"..data", b". ", b".. ", b".hidden", b"-rf", b"--help", b"-", b"~", b"~root", b"@at"]
DOTS_AND_DASHES += [b"!", b"CON", b"a:b", b"a,b"]

MTREE = [b"#", b"#mtree v2.0", b"#entries: 1", b"set type=dir", b"type=dir", b"a=b", b"=", b"optional", b"x ignore"]
MTREE += [b". type=dir", b"x type=file size=0", b"x\n#mtree v2.0\netc type=dir"]

WILDCARDS = [b"*", b"**", b"*.py", b"?", b"[a-z]", b"[", b"]", b"[!x]", b"star*"]

FORGERY = [b'x"} 1\ndriftd_fake 1', b"x\nINFO forged log line", b'","verdict":"clean","x":"', b"x\n  CLEAN  v1"]
FORGERY += [b"x\nNext: rm"]

LONG = [b"a" * 255, "\u2603".encode() * 85, b"\\" * 255, b"\n" * 255, b"\xff" * 255, b"*" * 200]

NAMES: list[bytes] = [
    *WHITE_SPACE,
    *TERMINAL,
    *NOT_UTF8,
    *(name.encode() for name in UNICODE),
    *QUOTING,
    *DOTS_AND_DASHES,
    *MTREE,
    *WILDCARDS,
    *FORGERY,
    *LONG,
]


def has_wildcard(name: bytes) -> bool:
    """Stock mtree takes such a name for a pattern, however it is escaped."""
    return any(character in name for character in b"*?[")


def file_at(root: bytes, number: int, names: Sequence[bytes] = NAMES) -> bytes:
    return os.path.join(root, names[number])


def directory_at(root: bytes, number: int, names: Sequence[bytes] = NAMES) -> bytes:
    return os.path.join(root, b"dirs", names[number])


def link_at(root: bytes, number: int) -> bytes:
    return os.path.join(root, b"links", b"%03d" % number)


def make_tree(root: str | bytes | os.PathLike[str], names: Sequence[bytes] = NAMES) -> None:
    """Of each name: a file ROOT/name, a directory with a file ROOT/dirs/name/inner, a link ROOT/links/NNN -> name."""
    top = os.fsencode(root)
    for directory in (top, os.path.join(top, b"dirs"), os.path.join(top, b"links")):
        os.makedirs(directory, exist_ok=True)
    for number, name in enumerate(names):
        with open(file_at(top, number, names), "wb") as file:
            file.write(b"content %d\n" % number)
        os.mkdir(directory_at(top, number, names))
        with open(os.path.join(directory_at(top, number, names), b"inner"), "wb") as file:
            file.write(b"inner %d\n" % number)
        os.symlink(name, link_at(top, number))


def edit_files(root: str | bytes | os.PathLike[str]) -> None:
    """Every ROOT/name."""
    for number in range(len(NAMES)):
        with open(file_at(os.fsencode(root), number), "ab") as file:
            file.write(b"edited\n")


if __name__ == "__main__":
    make_tree(sys.argv[1])
    print(f"{len(NAMES)} names, each as a file, a directory and the target of a symlink")
