"""Runs what is measured, and tells what it spent."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass
class Spent:
    """Runs of one thing: wall-clock seconds, CPU seconds, peak memory of its largest process in MiB."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    remark: str = ""


@dataclass(frozen=True)
class Tree:
    name: str
    root: Path
    manifest: Path


class Failed(Exception):
    """A program that did not do what it was run for, and what it said."""


def run_to_the_end(command: list[str | Path]) -> tuple[int, str, str]:
    """Exit code and what it printed. If this program has to end, the command and all that it started end first."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, errors="replace", start_new_session=True
    ) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, out, err


class Programs:
    def __init__(self, build: Path, data: Path, threads: int) -> None:
        self.driftd = build / "daemon" / "driftd"
        self.tool = build / "manifests" / "tool" / "driftd-manifest"
        self.floor_program = build / "tests" / "bench" / "floor"
        self.spend_program = build / "tests" / "bench" / "spend"
        self.data = data
        self.threads = threads
        self.secret = data / "release.key"
        self.trust = data / "trust.d" / "release.pub"
        if not self.trust.exists():
            self.trust.parent.mkdir(mode=0o755, exist_ok=True)
            self.secret.unlink(missing_ok=True)
            self._tool("keygen", "--no-password", "-s", self.secret, "-p", self.trust)
            self.trust.chmod(0o644)

    def _tool(self, *arguments: str | Path) -> None:
        if why := self._tool_refuses(*arguments):
            sys.exit(f"driftd-manifest {arguments[0]}: {why}")

    def _tool_refuses(self, *arguments: str | Path) -> str:
        done = subprocess.run([self.tool, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"

    def spend(self, spent: Spent, command: list[str | Path], accept: tuple[int, ...] = (0,)) -> str:
        """Adds a run, and gives what the command printed."""
        figures = self.data / "spent"
        code, out, err = run_to_the_end([self.spend_program, figures, *command])
        if code not in accept:
            shown = " ".join(str(word) for word in command)
            raise Failed(f"exit code {code} from {shown}\n{out[-2000:]}{err[-2000:]}")
        seconds, cpu, peak = figures.read_text().split()
        spent.seconds.append(float(seconds))
        spent.cpu.append(float(cpu))
        spent.peak.append(int(peak) / 1024)
        return out

    def floor(self, spent: Spent, mode: str, tree: Tree) -> None:
        """Its seconds are its own, without the start of the process."""
        said = self.spend(spent, [self.floor_program, mode, str(self.threads), tree.root])
        spent.seconds[-1] = float(re.search(r" seconds=([0-9.]+)", said)[1])

    def check(self, spent: Spent, tree: Tree, *paths: Path) -> dict:
        """driftd's own words about the tree."""
        where = ["--root", tree.root, "--manifest", tree.manifest, "--trust", self.trust]
        command = [self.driftd, "check", *where, "--threads", str(self.threads), "--json", *paths]
        return json.loads(self.spend(spent, command, accept=(0, 2)))["trees"][0]

    def release(self, tree: Tree) -> None:
        """A signed manifest of the tree as it is."""
        say(f"{tree.name}: lists and signs {tree.root}")
        tree.manifest.unlink(missing_ok=True)
        tree.manifest.with_name(tree.manifest.name + ".minisig").unlink(missing_ok=True)
        identity = ["--name", tree.name, "--release", "v1", "--sequence", "now"]
        command = ["build", *identity, "--no-progress", "-o", tree.manifest, tree.root]
        # As in /usr, where the modes are the package's and some are setuid.
        if why := self._tool_refuses(*command):
            if "--mode exact" not in why:
                sys.exit(f"driftd-manifest build: {why}")
            self._tool(*command, "--mode", "exact")
        self._tool("sign", "-s", self.secret, tree.manifest)

    def release_anew_unless_clean(self, tree: Tree) -> dict:
        """The tree is in the page cache afterwards."""
        if tree.manifest.exists():
            said = self.check(Spent(), tree)
            if said["verdict"] == "clean":
                return said
        self.release(tree)
        said = self.check(Spent(), tree)
        if said["verdict"] != "clean":
            say(f"{tree.name}: it is {said['verdict']} although its manifest was just made")
        return said


def first_file(root: Path) -> Path:
    for directory, below, names in os.walk(root):
        below.sort()
        for name in sorted(names):
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink():
                return path
    sys.exit(f"{root}: no file in there")


def paired_ratio(spent: Spent, base: Spent) -> float:
    """To what ran in the same round, where both ran equally often."""
    if len(spent.seconds) == len(base.seconds):
        return median(one / other for one, other in zip(spent.seconds, base.seconds))
    return median(spent.seconds) / median(base.seconds)
