"""The progress bar of `driftd check` and `driftd explain`: on a terminal alone, as wide as that allows, never left behind."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.marks import needs_root
from support.programs import CLEAN, DRIFT, DRIFTD
from support.site import Site, Tree, write_files
from support.terminal import shown_on_terminal
from support.workdir import new_workdir

pytestmark = needs_root

TAKE_BACK = b"\r\x1b[K"
BAR = re.compile(rb"\[=*>? *\] \d+ %  \d+ (?:of \d+ )?entries, .+, .+/s(?:, .+ left)?")


@pytest.fixture(scope="module")
def large() -> Iterator[Site]:
    """A host that takes seconds to check: SHA-256 of files of zeros that fill no disk. Never to be changed."""
    with new_workdir() as directory:
        site = Site(directory)
        tree = site.tree("large")
        for number in range(30):
            write_files(tree.root, {f"{number:02}/small": "x"})
            with (tree.root / f"{number:02}" / "zeros").open("wb") as file:
                file.truncate(100_000_000)
        site.release(tree, "--digest", "sha256")
        site.write_config()
        yield site


def look(site: Site, command: str, *arguments: str | Path, **how: Any) -> tuple[int, bytes]:
    return shown_on_terminal([DRIFTD, command, "--config", site.config, "--threads", "1", *arguments], **how)


def drawn(shown: bytes) -> list[bytes]:
    """The lines that were taken back again; the rest is what is left on the terminal."""
    return [line for line in shown.split(TAKE_BACK)[1:-1] if line]


def left(shown: bytes) -> bytes:
    before, *lines = shown.split(TAKE_BACK)
    return before + (lines[-1] if lines else b"")


def test_a_long_scan_shows_how_far_it_is(large: Site) -> None:
    code, shown = look(large, "check", columns=100)
    assert code == CLEAN
    lines = drawn(shown)
    assert lines and all(BAR.fullmatch(line) for line in lines), shown
    assert any(b" 0 %" not in line for line in lines), "it does not move"
    assert b"\x1b[32mCLEAN" in left(shown) and b"%" not in left(shown)


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_line_never_wraps(large: Site, columns: int) -> None:
    _, shown = look(large, "check", columns=columns)
    lines = drawn(shown)
    assert lines and all(len(line) < columns for line in lines), lines
    assert all((b"[" in line) == (columns >= 80) for line in lines), lines


def test_explain_shows_it_as_well(large: Site) -> None:
    code, shown = look(large, "explain", large.trees["large"].root)
    assert code == CLEAN and drawn(shown) and b"actual" in left(shown)


@pytest.mark.parametrize(
    ("term", "options"),
    [("dumb", []), ("xterm", ["--no-progress"]), ("xterm", ["--quiet"]), ("xterm", ["--nagios"])],
)
def test_nothing_is_drawn_where_it_is_not_wanted(large: Site, term: str, options: list[str]) -> None:
    code, shown = look(large, "check", *options, term=term)
    assert code == CLEAN and TAKE_BACK not in shown and b"%" not in shown, shown


def test_a_short_scan_shows_nothing(site: Site, app: Tree) -> None:
    write_files(app.root, {"new": "x\n"})
    site.write_config()
    code, shown = look(site, "check")
    assert code == DRIFT and TAKE_BACK not in shown


def test_an_interrupt_leaves_no_line_behind(large: Site) -> None:
    code, shown = look(large, "check", interrupt_after=b"entries, ")
    assert code == -signal.SIGINT
    assert b"%" not in left(shown) and b"CLEAN" not in shown, shown
