"""How driftd's cost grows with a tree: each figure an entry should stay the same."""

from statistics import median

import report
from programs import Programs, Spent, Tree, first_file, say

HEAD = ["tree", "entries", "load s", "us an entry", "scan s", "us an entry", "peak MiB", "bytes an entry"]


def _row(programs: Programs, tree: Tree, runs: int, base_mib: float) -> list[str]:
    entries = programs.release_anew_unless_clean(tree)["entries"]
    one_file = first_file(tree.root)
    programs.floor(Spent(), "read", tree)  # a check leaves out of the page cache what was not in it
    whole = Spent()
    loads: list[float] = []
    scans: list[float] = []
    for _ in range(runs):
        loads.append(programs.check(Spent(), tree, one_file)["seconds"])
        scans.append(programs.check(whole, tree)["seconds"] - loads[-1])
    load, scan, peak = median(loads), median(scans), median(whole.peak)
    row = [
        tree.name,
        str(entries),
        f"{load:.3f}",
        f"{load / entries * 1e6:.2f}",
        f"{scan:.3f}",
        f"{scan / entries * 1e6:.2f}",
        f"{peak:.1f}",
        f"{(peak - base_mib) * 1024**2 / entries:.0f}",
    ]
    say("  ".join(row))
    return row


def print_table(programs: Programs, trees: list[Tree], runs: int) -> None:
    empty = Tree("empty", programs.data / "empty", programs.data / "empty.manifest")
    empty.root.mkdir(exist_ok=True)
    programs.release(empty)
    spent = Spent()
    programs.check(spent, empty)
    base_mib = spent.peak[0]
    print(f"\nHow the cost of `driftd check` grows, warm; bytes an entry: over the {base_mib:.1f} MiB of an empty tree\n")
    print(report.table(HEAD, [_row(programs, tree, runs, base_mib) for tree in trees], left=1), flush=True)
