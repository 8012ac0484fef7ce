"""Tables, and the machine that the figures are of."""

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from programs import Spent, paired_ratio


def table(head: list[str], rows: list[list[str]], left: int) -> str:
    """Aligned, and Markdown besides. The first `left` columns hold words, the others figures."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row: list[str]) -> str:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        return "| " + " | ".join(cells) + " |"

    rule = ["-" * width if column < left else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([line(head), line(rule), *map(line, rows)])


COSTS = ["tree", "cache", "program", "runs", "seconds", "range", "x floor", "CPU s", "peak MiB"]
COSTS_LEFT = 3


def cost_row(tree: str, cache: str, program: str, spent: Spent, base: Spent) -> list[str]:
    def figure(values: list[float], digits: int) -> str:
        return f"{median(values):.{digits}f}" if values else ""

    return [
        tree,
        cache,
        f"{program} ({spent.remark})" if spent.remark else program,
        str(len(spent.seconds)),
        figure(spent.seconds, 3),
        f"{min(spent.seconds):.3f}-{max(spent.seconds):.3f}",
        f"{paired_ratio(spent, base):.2f}",
        figure(spent.cpu, 2),
        figure(spent.peak, 0),
    ]


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def available_memory() -> int:
    return int(_field("/proc/meminfo", "MemAvailable").split()[0]) * 1024


def _output(*command: str | Path) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine(driftd: Path, threads: int) -> str:
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1024**2
    model = _field("/proc/cpuinfo", "model name")
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {model}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}, load {os.getloadavg()[0]:.1f}; "
        f"{_output(driftd, '--version')}, commit {_output('git', 'describe', '--always', '--dirty')}; {threads} threads"
    )
