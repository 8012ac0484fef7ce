"""What a tired person reads: the answer at a glance, and the next command to type."""

import re

from support.checks import check
from support.marks import needs_root
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFT, environment
from support.site import Site, Tree, small_application, write_files

pytestmark = needs_root

MOST_FINDINGS = 20


def headline(site: Site, name: str, release: str, verdict: str) -> re.Pattern[str]:
    signed = rf"signed by {site.keys.id[:8]}\S* on \d{{4}}-\d\d-\d\d"
    return re.compile(rf"(?m)^{name}\s+{release}\s+{signed}\s+{verdict}\b")


def test_clean(site: Site, app: Tree) -> None:
    shown = site.check().expect(CLEAN)
    assert headline(site, "app", "v1", "CLEAN").search(shown.out), str(shown)
    assert "DRIFT" not in shown.out and "UNKNOWN" not in shown.out


def test_drift(site: Site, app: Tree) -> None:
    before = (app.root / "settings.py").stat().st_size
    write_files(app.root, {"settings.py": "DEBUG = True\n", "debug.py": "x\n"})
    (app.root / "bin" / "run").chmod(0o777)
    shown = site.check().expect(DRIFT)
    entries = check(site).document["trees"][0]["entries"]
    assert re.search(rf"{headline(site, 'app', 'v1', 'DRIFT').pattern}\s+3 of {entries} entries", shown.out), str(shown)
    lines = (
        rf"modified\s+settings\.py\s+.*{before} -> 13\b.*content",
        r"metadata\s+bin/run\s+mode .*0777",
        r"added\s+debug\.py",
    )
    for line in lines:
        assert re.search(rf"(?m)^\s+{line}", shown.out), f"no line {line}\n{shown}"
    assert re.search(r"(?m)^Next: ", shown.out), str(shown)
    assert "CLEAN" not in shown.out


def test_unknown(site: Site, app: Tree) -> None:
    app.signature.unlink()
    shown = site.check().expect(COULD_NOT_JUDGE)
    assert re.search(r"(?m)^app\s.*UNKNOWN", shown.out), str(shown)
    assert "CLEAN" not in shown.out and "DRIFT" not in shown.out


def test_each_tree_has_its_line(site: Site, app: Tree) -> None:
    site.release(small_tree(site, "other"), release="v7", sequence=7)
    write_files(app.root, {"app.py": "edited\n"})
    shown = site.check().expect(DRIFT)
    assert headline(site, "app", "v1", "DRIFT").search(shown.out), str(shown)
    assert headline(site, "other", "v7", "CLEAN").search(shown.out), str(shown)


def small_tree(site: Site, name: str) -> Tree:
    tree = site.tree(name)
    small_application(tree.root)
    return tree


def test_much_drift_stays_readable(site: Site, app: Tree) -> None:
    """At most 20 findings one by one, then counts by directory."""
    write_files(app.root, {f"lib/new{number:03}.py": "x\n" for number in range(300)})
    shown = site.check().expect(DRIFT)
    findings = [line for line in shown.out.splitlines() if re.match(r"\s+added\s+lib/new\d", line)]
    assert 0 < len(findings) <= MOST_FINDINGS, str(shown)
    counted = [line for line in shown.out.splitlines() if re.search(r"\b(300|280)\b", line) and "lib" in line]
    assert counted, f"those in lib are not counted\n{shown}"
    assert len(shown.out.splitlines()) < 2 * MOST_FINDINGS


def test_a_missing_directory_lists_what_was_below(site: Site, app: Tree) -> None:
    (app.root / "lib" / "deep").rename(site.directory / "deep")
    shown = site.check().expect(DRIFT)
    line = next(line for line in shown.out.splitlines() if re.search(r"missing\s+lib/deep\b", line))
    assert re.search(r"\b2\b", line), str(shown)
    assert "er/module.py" in shown.out, str(shown)


def test_no_colour_and_no_progress_without_a_terminal(site: Site, app: Tree) -> None:
    for env in (environment(), environment(TERM="xterm-256color"), environment(NO_COLOR="1", TERM="xterm")):
        shown = site.check(env=env).expect(CLEAN)
        assert b"\x1b" not in shown.stdout + shown.stderr and b"\r" not in shown.stderr
