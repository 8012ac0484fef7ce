"""Runs a program on a terminal of its own and answers its questions, as a person would."""

import os
import pty
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from support.programs import assert_no_sanitizer_report, environment, printable


def _read(terminal: int, seconds: float) -> bytes | None:
    """None at the end, which a terminal tells as an I/O error."""
    if not select.select([terminal], [], [], seconds)[0]:
        return b""
    try:
        return os.read(terminal, 4096) or None
    except OSError:
        return None


def answer_passwords(command: Sequence[str | Path], password: str, seconds: float = 30) -> tuple[int, str]:
    """Types the password each time it is asked for one. Returns the exit code and all that stood on the terminal."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(command[0], [os.fspath(word) for word in command], environment(TERM="dumb"))
    deadline = time.monotonic() + seconds
    shown, answered = b"", 0
    while (more := _read(terminal, 0.2)) is not None:
        shown += more
        asked = shown.lower().count(b"password")
        if shown.rstrip(b" ").endswith(b":") and asked > answered:
            os.write(terminal, password.encode() + b"\n")
            answered = asked
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            raise AssertionError(f"still running after {seconds:g} s: {command}\n{printable(shown)}")
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert_no_sanitizer_report(shown, str(command[0]))
    return os.waitstatus_to_exitcode(status), printable(shown)


def shown_on_terminal(command: Sequence[str | Path], term: str = "xterm", seconds: float = 60) -> tuple[int, bytes]:
    """The exit code, and every byte that the program wrote to its terminal."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(command[0], [os.fspath(word) for word in command], environment(TERM=term))
    deadline = time.monotonic() + seconds
    shown = b""
    while (more := _read(terminal, 0.2)) is not None:
        shown += more
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert_no_sanitizer_report(shown, str(command[0]))
    return os.waitstatus_to_exitcode(status), shown
