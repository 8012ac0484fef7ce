"""The running daemon."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from support.metrics import Page, parse
from support.http import Answer, request
from support.process import Process
from support.programs import DRIFTD, assert_no_sanitizer_report, environment
from support.site import Site
from support.waiting import wait_until

# What the contract grants: the daemon ends within 2 s. The sanitizers' own work at exit (leak check) comes on top.
STOP_SECONDS = 2.0
LEAK_CHECK_SECONDS = 3.0


class Daemon(Process):
    """driftd run. Leaving the `with` block stops it, and fails if it did not end well or a sanitizer spoke up."""

    def __init__(self, site: Site, *, within: Sequence[str | Path] = (), **env: str) -> None:
        """`within`: a command that becomes the daemon."""
        self.site = site
        self.port = site.port
        log: Path = site.directory / "driftd.log"
        command = [*within, DRIFTD, "run", "--config", site.write_config()]
        super().__init__(command, log, environment(**site.directories() | env))

    def get(self, path: str, method: str = "GET", body: bytes | None = None, timeout: float = 5) -> Answer:
        self.assert_running()
        return request(self.port, path, method, body, timeout)

    def metrics(self) -> Page:
        answer = self.get("/metrics")
        assert answer.status == 200, f"/metrics answers {answer.status}: {answer.body!r}"
        return parse(answer.text)

    def wait_for_status(self, path: str, status: int, seconds: float = 20) -> None:
        what = f"{path} answers {status}"
        wait_until(lambda: self.get(path).status, lambda seen: seen == status, what, seconds, every=0.02)

    def wait_listening(self) -> "Daemon":
        self.wait_for_status("/-/healthy", 200)
        return self

    def wait_ready(self, seconds: float = 30) -> "Daemon":
        self.wait_for_status("/-/ready", 200, seconds)
        return self

    def wait_for_metrics(self, accept: Callable[[Page], bool], what: str, seconds: float = 5) -> Page:
        return wait_until(self.metrics, accept, what, seconds)

    def wait_for_drift(self, tree: str, drifted: dict[str, int], seconds: float = 5) -> None:
        """Until the open drift is exactly this, and the verdict goes with it."""
        verdict = "drift" if drifted else "clean"

        def state() -> tuple[dict[str, int], str]:
            page = self.metrics()
            return page.drifted(tree), page.verdict(tree)

        wait_until(
            state,
            lambda seen: seen == (drifted, verdict),
            f"drift of {tree} is {drifted}, verdict {verdict}",
            seconds,
        )

    def stop_in_time(self) -> None:
        """SIGTERM: exit code 0, in the time the contract grants."""
        begin = time.monotonic()
        code = self.stop(STOP_SECONDS + LEAK_CHECK_SECONDS)
        assert code == 0, f"SIGTERM ended it with {code} after {time.monotonic() - begin:.1f} s"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._end_well()
        finally:
            super().__exit__(kind, error, trace)
        assert_no_sanitizer_report(self.log(), "the daemon")

    def _end_well(self) -> None:
        if self.is_running():
            self.stop_in_time()
        else:
            assert self.wait(0) == 0, f"the daemon ended by itself, with exit code {self.wait(0)}"
