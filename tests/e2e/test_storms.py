"""Random storms of changes by several processes: what the daemon then tells is what a fresh check finds."""

import os
import random
import time
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.rewriter import content_of, name_of, rewrite
from support.site import Site, write_files
from support.storms import Series, Writers, assert_settles, make_trees, reset

pytestmark = needs_root

TREES = 8
STORMS = int(os.environ.get("DRIFTD_STORMS", "1000"))
SEED = os.environ.get("DRIFTD_SEED")
# Of each tree, from one reset to the next.
SERIES = 25
# More than the kernel holds for who does not read.
REWRITTEN = int(os.environ.get("DRIFTD_REWRITTEN", "20000"))


def test_storms_are_told_as_a_check_finds_them(site: Site, workdir: Path) -> None:
    """No scan is due in between, so that events alone have told. $DRIFTD_SEED repeats a failure that was printed as far
    as it can be repeated; $DRIFTD_STORMS is how many there are to be."""
    if not kernel_can_watch(site.directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")
    trees = make_trees(site, TREES)
    empty = workdir / "empty"
    empty.mkdir()
    first = int(SEED) if SEED else random.randrange(1 << 30)
    with Daemon(site) as daemon, Writers() as writers:
        daemon.wait_ready()
        for seed in range(first, first + -(-STORMS // (TREES * SERIES))):
            series = Series(site, trees, seed)
            reset(trees)
            for number in range(SERIES):
                series.run(writers, number)
                assert_settles(daemon, empty, series, f"storm {number}")
        page = daemon.metrics()
        for tree in trees:
            scans = page.number("driftd_scans_total", tree=tree.name, type="full")
            assert scans == 1 or page.number("driftd_watch_overflows_total", tree=tree.name) > 0


def test_files_rewritten_at_full_speed_are_all_found(site: Site) -> None:
    """However many change at once, none is lost: by events, or by a scan where there are too many to look at each."""
    if not kernel_can_watch(site.directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")
    tree = site.tree("many", quick_scan="12h", full_scan="24h")
    write_files(tree.root, {name_of(number): content_of(number, "released") for number in range(REWRITTEN)})
    site.release(tree)
    with Daemon(site) as daemon:
        daemon.wait_ready(60).wait_for_drift("many", {})
        for writers, state, drift in ((1, "edited", {"modified": REWRITTEN}), (4, "released", {})):
            writing = rewrite(tree.root, REWRITTEN, state, writers)
            written = time.monotonic()
            daemon.wait_for_drift("many", drift, seconds=120)
            finding, page = time.monotonic() - written, daemon.metrics()
            print(
                f"{REWRITTEN} files by {writers}: written in {writing:.2f} s, all found {finding:.2f} s later;"
                f" until now {page.number('driftd_watch_events_total', tree='many'):.0f} events,"
                f" {page.number('driftd_watch_overflows_total', tree='many'):.0f} overflows,"
                f" {page.number('driftd_scans_total', tree='many', type='full'):.0f} full scans"
            )
