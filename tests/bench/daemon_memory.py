"""What the daemon holds once it has settled on a tree, and what it held at most until then."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import report
from programs import Programs, Tree, say

BASE = 24 * 1024**2
BYTES_AN_ENTRY = 140
READY_SECONDS = 600
# Settled: the same for so many looks, 0.2 s apart.
SAME_LOOKS = 25

HEAD = ["tree", "entries", "settled MiB", "bytes an entry", "target MiB", "peak MiB", "target MiB", "met"]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def _daemon(programs: Programs, tree: Tree, port: int) -> Iterator[subprocess.Popen]:
    directory = programs.data / "daemon"
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("state", "run"):
        (directory / name).mkdir(parents=True)
    config = {
        "trees": [{"name": tree.name, "root": str(tree.root), "manifest": str(tree.manifest)}],
        "trust": {"directories": [str(programs.trust.parent)]},
        "limits": {"threads": programs.threads},
        "web": {"listen": [f"127.0.0.1:{port}"]},
    }
    # JSON, every document of which is a YAML document too.
    (directory / "driftd.yaml").write_text(json.dumps(config))
    with (directory / "log").open("wb") as log:
        command = [programs.driftd, "run", "--config", directory / "driftd.yaml"]
        # Its directories as systemd tells them to a service.
        env = {**os.environ, "STATE_DIRECTORY": str(directory / "state"), "RUNTIME_DIRECTORY": str(directory / "run")}
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
    try:
        yield daemon
    finally:
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _wait_ready(daemon: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    why = "ended" if daemon.poll() is not None else f"is not ready after {READY_SECONDS} s"
    sys.exit(f"the daemon {why}:\n{log.read_text()[-2000:]}")


def _status(pid: int, name: str) -> int:
    """Bytes, from /proc/PID/status."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s*(\d+) kB$", text, re.MULTILINE)[1]) * 1024


def _settled(pid: int) -> int:
    same, seen = 0, 0
    while same < SAME_LOOKS:
        time.sleep(0.2)
        now = _status(pid, "VmRSS")
        same, seen = (same + 1 if now == seen else 0), now
    return seen


def _row(programs: Programs, tree: Tree) -> list[str]:
    entries = programs.release_anew_unless_clean(tree)["entries"]
    port = _free_port()
    with _daemon(programs, tree, port) as daemon:
        _wait_ready(daemon, port, programs.data / "daemon" / "log")
        settled = _settled(daemon.pid)
        peak = _status(daemon.pid, "VmHWM")
    target = BASE + BYTES_AN_ENTRY * entries
    peak_target = target + tree.manifest.stat().st_size
    met = "yes" if settled <= target and peak <= peak_target else "no"

    def mib(size: float) -> str:
        return f"{size / 1024**2:.1f}"

    over_base = f"{(settled - BASE) / entries:.0f}"
    row = [tree.name, str(entries), mib(settled), over_base, mib(target), mib(peak), mib(peak_target), met]
    say("  ".join(row))
    return row


def print_table(programs: Programs, trees: list[Tree]) -> None:
    print(
        f"\nMemory of `driftd run`, settled and at most; bytes an entry: over a base of {BASE >> 20} MiB; targets: "
        f"that base and {BYTES_AN_ENTRY} bytes an entry, while loading also the manifest's size\n"
    )
    print(report.table(HEAD, [_row(programs, tree) for tree in trees], left=1), flush=True)
