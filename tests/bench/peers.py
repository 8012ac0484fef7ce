"""What else people use to see whether files are as they were, on the same tree."""

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from programs import Failed, Programs, Spent, Tree, say

# Differences are an answer too: AIDE's exit code is a sum of 1, 2 and 4, mtree's is 2, an audit's 1.
ANSWERS = tuple(range(8))


def _aide(programs: Programs, tree: Tree) -> list[str | Path]:
    """Needs a database of the tree as it is, which takes as long as a check. Its paths are relative to the tree's root,
    so one that was made since the tree was released serves wherever the tree lies."""
    database, config = programs.data / f"{tree.name}.aide.db", programs.data / f"{tree.name}.aide.conf"
    config.write_text(
        f"database_in=file:{database}\ndatabase_out=file:{database}\n"
        f"root_prefix={tree.root}\ngzip_dbout=no\nnum_workers={programs.threads}\n"
        "log_level=error\nreport_level=minimal\nreport_url=stdout\n/ sha256\n"
    )
    if not database.exists() or database.stat().st_mtime < tree.manifest.stat().st_mtime:
        say(f"{tree.name}: AIDE makes its database")
        programs.spend(Spent(), ["aide", f"--config={config}", "--init"])
    with database.open("rb") as lines:
        listed = sum(line.startswith(b"/") for line in lines)
    entries = 1 + sum(len(below) + len(names) for _, below, names in os.walk(tree.root))
    if listed != entries:
        raise Failed(f"it looks at {listed} entries, and the tree has {entries}")
    return ["aide", f"--config={config}", "--check"]


def _hashdeep(programs: Programs, tree: Tree) -> list[str | Path]:
    known = programs.data / "hashdeep.known"
    hashdeep = f"hashdeep -c sha256 -r -o f -j {programs.threads}"
    root = shlex.quote(str(tree.root))
    say(f"{tree.name}: hashdeep makes its list")
    programs.spend(Spent(), ["sh", "-c", f"{hashdeep} {root} >{shlex.quote(str(known))}"])
    return ["sh", "-c", f"{hashdeep} -a -k {shlex.quote(str(known))} {root} >/dev/null"]


def _mtree(programs: Programs, tree: Tree) -> list[str | Path]:
    """By driftd's own manifest, which is an mtree file, with SHA-256."""
    return ["sh", "-c", f"mtree -f {shlex.quote(str(tree.manifest))} -p {shlex.quote(str(tree.root))} >/dev/null"]


def _sum(program: str) -> Callable[[Programs, Tree], list[str | Path]]:
    def command(programs: Programs, tree: Tree) -> list[str | Path]:
        files = f"find {shlex.quote(str(tree.root))} -xdev -type f -print0"
        return ["sh", "-c", f"{files} | xargs -0 -P {programs.threads} -n 256 {program} >/dev/null"]

    return command


PEERS = {
    "find, xargs b3sum": _sum("b3sum"),
    "find, xargs sha256sum": _sum("sha256sum"),
    "hashdeep audit, sha256": _hashdeep,
    "mtree, sha256": _mtree,
    "AIDE check, sha256": _aide,
}


def measure(
    programs: Programs, tree: Tree, runs: int, before_each: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, Spent]]:
    for name, prepare in PEERS.items():
        spent = Spent()
        try:
            command = prepare(programs, tree)
            for _ in range(runs):
                before_each()
                programs.spend(spent, command, accept=ANSWERS)
        except Failed as failure:
            say(f"{tree.name}: {name} is left out: {failure}")
        else:
            yield name, spent
