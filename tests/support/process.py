"""A program that runs beside the test: its output goes to a file, and it ends with the test whatever happens."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from support.programs import environment, printable


class Process:
    def __init__(self, command: Sequence[str | Path], log: Path, env: dict[str, str] | None = None) -> None:
        self.command = command
        self.log_file = log
        self.env = env or environment()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        assert self._process is None, "started already"
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self.env
            )
        return self

    @property
    def pid(self) -> int:
        assert self._process, "not started"
        return self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        assert self._process, "not started"
        self._process.send_signal(number)

    def log(self) -> bytes:
        return self.log_file.read_bytes() if self.log_file.exists() else b""

    def assert_running(self) -> None:
        """Called by every probe, so that a wait for a dead program ends at once and says why."""
        assert self._process, "not started"
        code = self._process.poll()
        assert code is None, f"{self.command[0]} ended with {code}:\n{printable(self.log())}"

    def wait(self, seconds: float) -> int:
        assert self._process, "not started"
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            log = printable(self.log())
            raise AssertionError(f"{self.command[0]} still runs after {seconds:g} s:\n{log}") from None

    def stop(self, seconds: float = 10) -> int:
        """SIGTERM, then its exit code."""
        self.send(signal.SIGTERM)
        return self.wait(seconds)

    def end(self) -> None:
        """Whatever state it is in: gone afterwards."""
        if self._process and self.is_running():
            self._process.kill()
            self._process.wait(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # pytest shows it with a failure only.
        print(f"--- end of the log of {self.command[0]}\n{printable(self.log()[-8000:])}")
        self.end()
