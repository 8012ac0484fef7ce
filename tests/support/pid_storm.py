"""Processes that come and go so fast that they get each other's numbers, beside a running daemon.

To be run in a pid namespace of its own with its own /proc: `python3 pid_storm.py HOW ROOT ROUNDS PORT -- DAEMON...`.
Writers of two users take turns; each writes one file in its own user's directory, as its program's only act. HOW is
`anew`: after each the kernel is told to begin counting anew, so that nearly all of them have the same number; or `few`:
it has some hundred numbers (a pid_max of its own for each namespace, Linux 6.14).
"""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

UIDS = (2001, 2002)
LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
MOST_PIDS = Path("/proc/sys/kernel/pid_max")
FEW = 400


def write_as(uid: int, path: Path) -> None:
    process = os.fork()
    if process == 0:
        os.setgid(uid)
        os.setuid(uid)
        with path.open("w") as file:
            file.write("edited\n")
        os._exit(0)
    os.waitpid(process, 0)


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return answer.read().decode()


def wait_for(port: int, line: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if line in metrics(port):
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"not within {seconds} s: {line}")


def main() -> None:
    how, root, rounds, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    daemon = subprocess.Popen(sys.argv[6:])
    clean = 'driftd_tree_verdict{tree="app",verdict="clean"} 1'
    wait_for(port, clean, 60)
    probe = root / "probe"
    before = probe.read_text()
    # Until directories are watched. Somebody else looks whether the probe's author became known.
    for _ in range(20):
        write_as(UIDS[0], probe)
        time.sleep(0.05)
    probe.write_text(before)
    last = LAST_PID.read_text()
    if how == "few":
        MOST_PIDS.write_text(str(FEW))
    for number in range(rounds):
        if how == "anew":
            LAST_PID.write_text(last)
        uid = UIDS[number % 2]
        write_as(uid, root / str(uid) / f"f{number // 2}")
    wait_for(port, f'driftd_drifted_paths{{tree="app",kind="modified",state="open"}} {rounds}', 120)
    time.sleep(1)
    daemon.terminate()
    sys.exit(daemon.wait(15))


if __name__ == "__main__":
    main()
