"""The other end of sd_notify(3): what a service tells systemd."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class NotifySocket:
    """Collects messages; each is a dictionary of its assignments."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def _receive(self, seconds: float) -> bool:
        self._socket.settimeout(max(seconds, 0.001))
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return False
        lines = data.decode("utf-8").splitlines()
        self.messages.append(dict(line.split("=", 1) for line in lines if line))
        return True

    def forget(self) -> None:
        """Drops what has come so far, so that a wait is for something new."""
        while self._receive(0):
            pass
        self.messages.clear()

    def wait_for(self, accept: Callable[[dict[str, str]], bool], what: str, seconds: float = 10) -> dict[str, str]:
        """The first message that accept() likes, of those not yet forgotten."""
        deadline = time.monotonic() + seconds
        looked_at = 0
        while True:
            while looked_at < len(self.messages):
                if accept(self.messages[looked_at]):
                    return self.messages[looked_at]
                looked_at += 1
            if not self._receive(deadline - time.monotonic()):
                raise AssertionError(f"not within {seconds:g} s: {what}\nreceived: {self.messages}")

    def wait_for_assignment(self, name: str, value: str | None = None, seconds: float = 10) -> dict[str, str]:
        return self.wait_for(
            lambda message: name in message and value in (None, message[name]), f"{name}={value or '...'}", seconds
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
