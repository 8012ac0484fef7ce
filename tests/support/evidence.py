"""What driftd says of who made drift, and people who make it."""

import json
import os
import pty
import select
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.programs import environment, printable, succeed
from support.site import Site, Tree


def open_drift(site: Site) -> dict[str, dict[str, Any] | None]:
    """By path, what the state database has on it: None where nobody knows who it was."""
    with closing(sqlite3.connect(f"file:{site.directory}/state/state.db?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT path, evidence FROM drift WHERE ended_at IS NULL").fetchall()
    return {os.fsdecode(path): evidence and known(evidence) for path, evidence in rows}


def known(evidence: bytes) -> dict[str, Any] | None:
    value = json.loads(evidence.decode("utf-8", "surrogateescape"))
    return value if "pid" in value else None


@dataclass(frozen=True)
class Person:
    """The numbers must have names on every Debian."""

    uid: int
    user: str
    login_uid: int
    login_user: str


SOMEBODY = Person(2, "bin", 1, "daemon")
# As it is called in a tree for which make_repository() was called.
GIT = "git --git-dir=../../repository --work-tree=."


def make_repository(tree: Tree) -> None:
    """Two directories above the tree: a revision before the release, in which settings.py was another."""
    repository = tree.root.parent.parent / "repository"
    repository.mkdir()
    succeed(["chown", f"{SOMEBODY.uid}:{SOMEBODY.uid}", repository])
    identity = "-c user.name=Dev -c user.email=dev@example.org"
    lines = f"""
        {GIT} init --quiet
        cp settings.py ../../repository/kept; echo older > settings.py; {GIT} add --all
        {GIT} {identity} commit --quiet --message older
        cp ../../repository/kept settings.py; {GIT} add --all; {GIT} {identity} commit --quiet --message release
    """
    succeed(["setpriv", f"--reuid={SOMEBODY.uid}", "--clear-groups", "sh", "-euc", lines], cwd=tree.root)


@dataclass(frozen=True)
class Session:
    number: int
    terminal: str


def _become(who: Person, command: Sequence[str | Path], cwd: Path, tell: int, kind: str) -> None:
    """In a child, which must never go on with the test."""
    try:
        Path("/proc/self/loginuid").write_text(str(who.login_uid))
        session = Path("/proc/self/sessionid").read_text()
        os.write(tell, f"{session} {os.ttyname(0)}".encode())
        os.setgid(who.uid)
        os.setuid(who.uid)
        os.chdir(cwd)
        os.execvpe(str(command[0]), [os.fspath(word) for word in command], environment(TERM=kind))
    finally:
        os._exit(126)


def in_session(
    who: Person, command: Sequence[str | Path], cwd: Path, seconds: float = 30, keys: Sequence[bytes] = ()
) -> Session:
    """Runs it on a terminal of its own, by somebody who logged in under one name and became another. Each of the keys is
    typed when the program has been silent for a moment."""
    to_type = list(keys)
    told, tell = os.pipe()
    process, terminal = pty.fork()
    if process == 0:
        _become(who, command, cwd, tell, "linux" if keys else "dumb")
    os.close(tell)
    with os.fdopen(told) as pipe:
        number, name = pipe.read().split()
    deadline = time.monotonic() + seconds
    shown = b""
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.8 if to_type else 0.1)[0]:
            if to_type:
                os.write(terminal, to_type.pop(0))
            continue
        try:
            more = os.read(terminal, 4096)
        except OSError:
            break
        if not more:
            break
        shown += more
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert status == 0, f"{command}: status {status}\n{printable(shown)}"
    return Session(int(number), name.removeprefix("/dev/"))
