"""Runs a program on a terminal of its own and answers its questions, as a person would."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
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


def shown_on_terminal(
    command: Sequence[str | Path],
    term: str = "xterm",
    seconds: float = 60,
    columns: int = 80,
    interrupt_after: bytes | None = None,
    env: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """The exit code, and every byte that the program wrote to its terminal. Ctrl-C is typed once a text has shown."""
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs tests in the background may have it ignored
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execve(command[0], [os.fspath(word) for word in command], environment(TERM=term, **(env or {})))
    deadline = time.monotonic() + seconds
    shown, interrupted = b"", False
    while (more := _read(terminal, 0.2)) is not None:
        shown += more
        if interrupt_after is not None and interrupt_after in shown and not interrupted:
            os.write(terminal, b"\x03")
            interrupted = True
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert_no_sanitizer_report(shown, str(command[0]))
    return os.waitstatus_to_exitcode(status), shown


@dataclass(frozen=True)
class Session:
    code: int
    shown: str
    echoes: bool  # the terminal, after the program has ended


def type_at_prompts(command: Sequence[str | Path], answers: Sequence[bytes], seconds: float = 30) -> Session:
    """Types one answer at each prompt, control characters as a keyboard sends them, and looks at what is left behind."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(command[0], [os.fspath(word) for word in command], environment(TERM="dumb"))
    deadline = time.monotonic() + seconds
    shown, typed = b"", 0
    while (more := _read(terminal, 0.2)) is not None:
        shown += more
        if typed < len(answers) and shown.endswith(b": ") and shown.count(b"Password") > typed:
            os.write(terminal, answers[typed])
            typed += 1
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            raise AssertionError(f"still running after {seconds:g} s: {command}\n{printable(shown)}")
    echoes = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert_no_sanitizer_report(shown, str(command[0]))
    return Session(os.waitstatus_to_exitcode(status), printable(shown), echoes)
