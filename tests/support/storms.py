"""Storms of changes in watched trees, and whether the daemon tells afterwards what a fresh check finds."""

import itertools
import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.checks import check
from support.control import STATUS_REQUEST, exchange
from support.daemon import Daemon
from support.json_shape import raw_path
from support.programs import environment, strict_json
from support.site import Site, Tree
from support.storm_writer import AWAY, Storm, release_into, remove_below

WRITERS = 3
# The daemon is told of all that happens on the file system, and a busy machine may hold up the question itself.
SETTLED = 60.0
LEAST_QUESTIONS = 100

Finding = tuple[bytes, str, str]


class Writers:
    """The processes that make the changes."""

    def __enter__(self) -> Self:
        program = Path(__file__).with_name("storm_writer.py")
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-P", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
            )
            for _ in range(WRITERS)
        ]
        return self

    def run(self, storms: list[list[Storm]]) -> list[list[list[str]]]:
        """For each writer its storms, one a tree; gives what each did."""
        for process, mine in zip(self._processes, storms, strict=True):
            assert process.stdin
            process.stdin.write(json.dumps({"storms": [storm.as_request() for storm in mine]}).encode() + b"\n")
            process.stdin.flush()
        return [json.loads(process.stdout.readline()) for process in self._processes if process.stdout]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


def findings_of(tree: dict[str, Any]) -> set[Finding]:
    """What is wrong where, and with which facts. Not those of what was added: with several names that are not listed,
    they are as each of them was last looked at."""

    def facts(finding: dict[str, Any]) -> str:
        if finding["kind"] == "added":
            return f"{finding['actual']['type']} {finding.get('below', 0)}"
        told = {name: finding[name] for name in ("changes", "expected", "actual")} | {"below": finding.get("below", 0)}
        return json.dumps(told, sort_keys=True)

    unverified = {(raw_path(one), "unverified", one["reason"]) for one in tree["unverified"]}
    assert not tree["pending"] and not tree.get("cut", False)
    return unverified | {(raw_path(one), one["kind"], facts(one)) for one in tree["drift"]}


def told(site: Site) -> dict[str, set[Finding]]:
    """What the daemon says of each tree right now."""
    body = exchange(site, STATUS_REQUEST).split(b"\n", 1)[1]
    return {tree["name"]: findings_of(tree) for tree in strict_json(body)["trees"]}


def checked(site: Site, empty: Path) -> dict[str, set[Finding]]:
    """What is there; by a check that has nothing of the daemon's state."""
    env = environment(STATE_DIRECTORY=str(empty), RUNTIME_DIRECTORY=str(empty))
    return {tree["name"]: findings_of(tree) for tree in check(site, env=env).document["trees"]}


@dataclass
class Series:
    """Storm after storm in the same trees, from the release on. It follows from the seed, but for the moments at which
    things happen."""

    site: Site
    trees: list[Tree]
    seed: int

    def __post_init__(self) -> None:
        self.free = self.seed % 2 == 0
        self.logs: list[list[str]] = [[] for _ in self.trees]
        self._random = random.Random(self.seed)

    def storms(self, number: int) -> list[list[Storm]]:
        each = self._random.choice((2, 3, 7, 13))
        # A storm that takes as long as a few looks of the daemon's, or one of which it could not see a part.
        pause = self._random.choice((0.0, 0.0, 0.1 / each))
        return [
            [
                Storm(str(tree.root), f"{self.seed} {number} {writer} {tree.name}", each, pause, self.free)
                for tree in self.trees
            ]
            for writer in range(WRITERS)
        ]

    def run(self, writers: Writers, number: int) -> None:
        done = writers.run(self.storms(number))
        for tree, log in enumerate(self.logs):
            for writer in range(WRITERS):
                log += [f"storm {number}, writer {writer}: {one}" for one in done[writer][tree]]


def assert_settles(daemon: Daemon, empty: Path, series: Series, what: str) -> None:
    """The daemon comes to tell what a check finds."""
    __tracebackhide__ = True
    there = checked(daemon.site, empty)
    deadline = time.monotonic() + SETTLED
    for asked in itertools.count(1):
        daemon.assert_running()
        seen = told(daemon.site)
        if seen == there:
            return
        if asked >= LEAST_QUESTIONS and time.monotonic() > deadline:
            break
        time.sleep(0.02)
    lines = [f"seed {series.seed}: not told within {SETTLED:g} s after {what}"]
    for (name, found), log in zip(there.items(), series.logs, strict=True):
        if found == seen[name]:
            continue
        lines += [f"{name}: unseen {finding}" for finding in sorted(found - seen[name])]
        lines += [f"{name}: told, but not there {finding}" for finding in sorted(seen[name] - found)]
        lines += [f"{name}: {operation}" for operation in log if ": E" not in operation]
    raise AssertionError("\n".join(lines))


def reset(trees: list[Tree]) -> None:
    """And nothing is left beside them, from where privileges would come back into a series that is to have none."""
    for tree in trees:
        release_into(str(tree.root))
        away = tree.root.with_name(f"{tree.name}-away")
        remove_below(str(away))
        for place in range(AWAY):
            (away / str(place)).mkdir(parents=True)


def make_trees(site: Site, count: int) -> list[Tree]:
    trees = []
    for number in range(count):
        trees.append(site.tree(f"t{number}", quick_scan="12h", full_scan="24h"))
        trees[-1].root.with_name(f"{trees[-1].name}-away").mkdir()
    reset(trees)
    for tree in trees:
        site.release(tree, "--mutable", "cache/**")
    return trees
