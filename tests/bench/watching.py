"""How soon an edit is seen, and what watching costs.
usage: DRIFTD_BUILD=build-bench python3 -P tests/bench/watching.py [--only PLACE]... [--edits N] [--entries N] [--idle SECONDS]
       [--storm SECONDS]

Needs root, and mkfs.xfs and mkfs.btrfs for these two. An edit is one write to a file of its own; it is seen when /metrics
counts it, which is asked once a millisecond. Idle: the CPU time of a daemon to which nothing happens. Storm: that of one
beside which another directory of the same file system is written as fast as it goes by two processes.
"""

import argparse
import http.client
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from statistics import quantiles

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.daemon import Daemon  # noqa: E402
from support.site import Site, write_files  # noqa: E402

FILES = 1000
SEEN = re.compile(rb'driftd_drifted_paths\{[^}]*kind="modified"[^}]*state="open"[^}]*\} (\d+)')


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def loop(kind: str) -> Callable[[Path], Path]:
    def make(directory: Path) -> Path:
        image, mount = directory / "image", directory / "mount"
        run("truncate", "-s", "1G", image)
        run(f"mkfs.{kind}", image)
        mount.mkdir()
        run("mount", "-o", "loop", image, mount)
        return mount

    return make


def tmpfs(directory: Path) -> Path:
    mount = directory / "mount"
    mount.mkdir()
    run("mount", "-t", "tmpfs", "none", mount)
    return mount


def bind(directory: Path) -> Path:
    real, mount = directory / "real", directory / "mount"
    real.mkdir()
    mount.mkdir()
    run("mount", "--bind", real, mount)
    return mount


def overlay(directory: Path, *more: str) -> Path:
    parts = {name: directory / name for name in ("lower", "upper", "work", "mount")}
    for part in parts.values():
        part.mkdir()
    where = [f"lowerdir={parts['lower']}", f"upperdir={parts['upper']}", f"workdir={parts['work']}"]
    run("mount", "-t", "overlay", "overlay", "-o", ",".join([*where, *more]), parts["mount"])
    return parts["mount"]


PLACES: dict[str, Callable[[Path], Path]] = {
    "here": lambda directory: directory / "srv",
    "tmpfs": tmpfs,
    "ext4": loop("ext4"),
    "xfs": loop("xfs"),
    "btrfs": loop("btrfs"),
    "bind mount": bind,
    "overlay": overlay,
    "overlay, nfs_export": lambda directory: overlay(directory, "index=on", "nfs_export=on"),
    "edited in another mount namespace": lambda directory: directory / "srv",
}


@contextmanager
def editing(root: Path, elsewhere: bool) -> Iterator[Callable[[str], object]]:
    """What edits a file: this process, or one that has the tree mounted at another place, which only it sees."""
    if not elsewhere:
        yield lambda name: (root / name).write_text("edited\n")
        return
    script = 'mount --bind "$0" /mnt; cd /mnt; while read -r name; do echo edited >"$name"; done'
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, root]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin
        stdin = process.stdin
        yield lambda name: stdin.write(f"{name}\n")


def drifted(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/metrics")
    found = SEEN.search(connection.getresponse().read())
    return int(found[1]) if found else 0


def latencies(site: Site, edit: Callable[[str], object], edits: int) -> list[float]:
    """Milliseconds, one an edit."""
    taken = []
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    for number in range(edits):
        # Not together with the one before, and at no fixed place between two ticks of the kernel's clock: a file that was
        # changed in a tick is looked at in the next one.
        time.sleep(random.uniform(0.15, 0.2))
        begin = time.monotonic()
        edit(f"f{number}")
        while drifted(connection) <= number:
            if time.monotonic() - begin > 10:
                raise SystemExit("an edit was not seen within 10 s")
            time.sleep(0.001)
        taken.append((time.monotonic() - begin) * 1000)
    return taken


def measure_latency(name: str, place: Callable[[Path], Path], edits: int) -> None:
    with tempfile.TemporaryDirectory(prefix="watching-") as directory:
        site_directory = Path(directory) / "site"
        site_directory.mkdir(mode=0o755)
        Path(directory).chmod(0o755)
        site = Site(site_directory)
        top = place(Path(directory))
        try:
            tree = site.tree("app", root=top / "app", quick_scan="1h")
            write_files(tree.root, {f"f{number}": "as released\n" for number in range(FILES)})
            site.release(tree)
            with redirect_stdout(None), Daemon(site) as daemon:
                daemon.wait_ready().wait_for_drift("app", {})
                mode = "events" if daemon.metrics().value("driftd_watch_active", tree="app", mode="events") else "polling"
                with editing(tree.root, "namespace" in name) as edit:
                    taken = latencies(site, edit, edits) if mode == "events" else []
            cuts = [f"{cut:.1f}" for cut in quantiles(taken, n=100)] if taken else [""] * 99
            print(f"| {name} | {mode} | {cuts[49]} | {cuts[98]} |", flush=True)
        finally:
            if top.name == "mount":  # os.path.ismount() does not know bind mounts
                run("umount", "--lazy", top)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write_all(directory: str, seconds: float, written: "multiprocessing.Queue[int]") -> None:
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for number in range(100):
            descriptor = os.open(f"{directory}/{count % 20000 + number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.write(descriptor, b"x")
            os.close(descriptor)
        count += 100
    written.put(count)


def measure_cost(entries: int, idle: float, storm: float) -> None:
    with tempfile.TemporaryDirectory(prefix="watching-") as directory:
        site_directory = Path(directory) / "site"
        site_directory.mkdir(mode=0o755)
        Path(directory).chmod(0o755)
        top = tmpfs(Path(directory))
        try:
            site = Site(site_directory)
            tree = site.tree("app", root=top / "app")
            write_files(tree.root, {f"d{number % 200}/f{number}": "as released\n" for number in range(entries)})
            site.release(tree)
            with redirect_stdout(None), Daemon(site) as daemon:
                daemon.wait_ready(300).wait_for_drift("app", {})
                time.sleep(3)
                before = cpu_seconds(daemon.pid)
                time.sleep(idle)
                share = (cpu_seconds(daemon.pid) - before) / idle
                told = f"\nIdle for {idle:.0f} s with {entries:,} files: {100 * share:.3f} % of a core\n"
                others = [top / f"other{number}" for number in range(2)]
                written: multiprocessing.Queue[int] = multiprocessing.Queue()
                before, begin = cpu_seconds(daemon.pid), time.monotonic()
                jobs = []
                for other in others:
                    other.mkdir()
                    jobs.append(multiprocessing.Process(target=write_all, args=(str(other), storm, written)))
                    jobs[-1].start()
                count = sum(written.get() for _ in jobs)
                taken = time.monotonic() - begin
                share = (cpu_seconds(daemon.pid) - before) / taken
                page = daemon.metrics()
                lost = page.number("driftd_watch_overflows_total", tree="app")
                told += (
                    f"{count / taken:,.0f} files/s written beside the tree: {100 * share:.1f} % of a core, "
                    f"{lost:.0f} times events were lost, verdict {page.verdict('app')}"
                )
                for job in jobs:
                    job.join()
            print(told, flush=True)
        finally:
            run("umount", "--lazy", top)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=[*PLACES, "cost"], action="append")
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--idle", type=float, default=60)
    parser.add_argument("--storm", type=float, default=10)
    options = parser.parse_args()
    wanted = options.only or [*PLACES, "cost"]
    print("| tree on | watched by | p50 ms | p99 ms |\n|---|---|---:|---:|", flush=True)
    for name, place in PLACES.items():
        if name in wanted:
            measure_latency(name, place, min(options.edits, FILES))
    if "cost" in wanted:
        measure_cost(options.entries, options.idle, options.storm)


main()
