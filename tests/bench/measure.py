"""What a full check costs. run.sh makes what this takes, and says what it measures."""

import argparse
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import daemon_memory
import growth
import peers
import report
from programs import Failed, Programs, Spent, Tree, first_file, say

COLD_RUNS = 3


@dataclass
class Rows:
    """The big table as far as it is."""

    rows: list[list[str]]

    def add(self, tree: Tree, cache: str, spent: dict[str, Spent], base: str) -> None:
        for program, figures in spent.items():
            self.rows.append(report.cost_row(tree.name, cache, program, figures, spent[base]))
            say("  ".join(self.rows[-1]))

    def print(self) -> None:
        print(report.table(report.COSTS, self.rows, report.COSTS_LEFT))
        print("\nSeconds, CPU seconds and peak memory are medians; a pipeline's peak is that of its largest process.")
        print("x floor: to `floor exact` of the same round where the cache is warm, to `floor blake3` where it is cold.")


def check(programs: Programs, tree: Tree, whole: Spent, inner: Spent) -> None:
    """One run: as a whole, and without the start of the process and its report."""
    said = programs.check(whole, tree)
    inner.seconds.append(said["seconds"])
    if said["verdict"] != "clean":
        whole.remark = said["verdict"]


WARM = ["floor stat", "floor blake3", "floor exact", "driftd check", "- load, verify, scan", "- load, verify", "- scan"]


def warm_round(programs: Programs, tree: Tree, one_file: Path, spent: dict[str, Spent]) -> None:
    programs.floor(spent["floor exact"], "exact", tree)
    check(programs, tree, spent["driftd check"], spent["- load, verify, scan"])
    loading = programs.check(Spent(), tree, one_file)["seconds"]
    spent["- load, verify"].seconds.append(loading)
    spent["- scan"].seconds.append(spent["- load, verify, scan"].seconds[-1] - loading)
    programs.floor(spent["floor blake3"], "blake3", tree)
    programs.floor(spent["floor stat"], "stat", tree)


def warm(programs: Programs, tree: Tree, runs: int, peer_runs: int) -> dict[str, Spent]:
    if programs.release_anew_unless_clean(tree)["bytes"] > report.available_memory():
        say(f"{tree.name}: larger than the memory that is free, so its cache will not be warm")
    one_file = first_file(tree.root)
    # Pages that are read for the second time become active ones, which costs once.
    warm_round(programs, tree, one_file, {name: Spent() for name in WARM})
    spent = {name: Spent() for name in WARM}
    for _ in range(runs):
        warm_round(programs, tree, one_file, spent)
    if peer_runs:
        spent.update(peers.measure(programs, tree, peer_runs))
    return spent


@dataclass
class Mount:
    """A file system that nobody has read from since it was mounted."""

    device: str
    directory: Path

    def anew(self) -> None:
        subprocess.run(["umount", self.directory], check=True)
        if not self._bypasses_cache():
            Path("/proc/sys/vm/drop_caches").write_text("3\n")
        subprocess.run(["mount", self.device, self.directory], check=True)

    def _bypasses_cache(self) -> bool:
        said = subprocess.run(["losetup", "-n", "-O", "DIO", self.device], capture_output=True, text=True, check=True)
        return said.stdout.strip() == "1"


def cold(programs: Programs, tree: Tree, mount: Mount, peer_runs: int) -> dict[str, Spent]:
    programs.release_anew_unless_clean(tree)
    spent = {name: Spent() for name in ["floor blake3", "driftd check", "- load, verify, scan"]}
    for _ in range(COLD_RUNS):
        mount.anew()
        programs.floor(spent["floor blake3"], "blake3", tree)
        mount.anew()
        check(programs, tree, spent["driftd check"], spent["- load, verify, scan"])
    if peer_runs:
        spent.update(peers.measure(programs, tree, peer_runs, mount.anew))
    return spent


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--peer-runs", type=int, default=0)
    parser.add_argument("--cold", metavar="NAME=DIR")
    parser.add_argument("--device")
    parser.add_argument("--growth", metavar="NAME=DIR", action="append", default=[])
    parser.add_argument("--daemon", action="store_true")
    parser.add_argument("trees", metavar="NAME=DIR", nargs="*")
    return parser.parse_args()


def main() -> None:
    options = parse()
    # Ends as by an exception, so that what runs is stopped and what is known is printed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    programs = Programs(options.programs, options.data, options.threads)

    def tree(named: str) -> Tree:
        name, _, root = named.partition("=")
        return Tree(name, Path(root), options.data / f"{name}.manifest")

    print(report.machine(programs.driftd, options.threads), end="\n\n", flush=True)
    rows = Rows([])
    try:
        for each in map(tree, options.trees):
            rows.add(each, "warm", warm(programs, each, options.runs, options.peer_runs), "floor exact")
        if options.cold:
            each = tree(options.cold)
            mount = Mount(options.device, each.root.parent)
            rows.add(each, "cold", cold(programs, each, mount, options.peer_runs), "floor blake3")
    finally:
        if rows.rows:
            rows.print()
    if options.growth:
        growth.print_table(programs, [tree(each) for each in options.growth], options.runs)
    if options.daemon:
        daemon_memory.print_table(programs, [tree(each) for each in options.trees])


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
