"""`driftd check --nagios`: a monitoring plugin, whose exit code is one of four whatever happens."""

import re
import shutil
from pathlib import Path

import pytest

from support.hostile_names import make_tree
from support.marks import needs_root
from support.programs import DRIFTD, Result, driftd, run
from support.safe_output import assert_safe
from support.site import Site, Tree, small_application, write_files

pytestmark = needs_root

OK, CRITICAL, UNKNOWN = 0, 2, 3
WORDS = {OK: "OK", CRITICAL: "CRITICAL", UNKNOWN: "UNKNOWN"}

# 'label'=value[UOM];[warn];[crit];[min];[max], as the Monitoring Plugins Development Guidelines have it.
VALUE = r"[a-z]+=\d+(?:\.\d+)?s?(?:;[\d.]*){0,4}"
FIRST_LINE = re.compile(rf"DRIFTD (OK|CRITICAL|UNKNOWN) - ([^|]+?)(?: \| ({VALUE}(?: {VALUE})*))?")


def plugin(result: Result, code: int) -> tuple[str, dict[str, str], list[str]]:
    """The text, the performance data and the further lines of an output that is right for its exit code."""
    assert_safe(result.expect(code).stdout, "a plugin's output")
    assert result.stderr == b"", f"a plugin speaks on stdout\n{result}"
    first, *further = result.out.splitlines()
    match = FIRST_LINE.fullmatch(first)
    assert match and match[1] == WORDS[code], str(result)
    assert not any("|" in line for line in further), str(result)
    assert len(further) <= 11 and all(len(line) < 400 for line in further)
    data = dict(value.split("=", 1) for value in (match[3] or "").split())
    return match[2], data, further


def test_clean(site: Site, app: Tree) -> None:
    text, data, further = plugin(site.check("--nagios"), OK)
    entries = 1 + len(list(app.root.rglob("*")))
    assert text == f"app v1 clean, {entries} entries"
    assert data.pop("time").endswith("s;;;0")
    assert data == {
        "drift": "0;;0;0",
        "pending": "0;;;0",
        "unverified": "0;;;0",
        "problems": "0;;;0",
        "entries": f"{entries};;;0",
    }
    assert further == []


def test_drift_is_critical(site: Site, app: Tree) -> None:
    write_files(app.root, {"settings.py": "DEBUG = True\n", "new.py": "x\n"})
    text, data, further = plugin(site.check("--nagios"), CRITICAL)
    assert re.fullmatch(r"app v1 drift, 2 of \d+ entries", text)
    assert data["drift"] == "2;;0;0"
    assert further[0] == f"added {app.root}/new.py"
    assert further[1].startswith(f"modified {app.root}/settings.py  size ")


def test_several_trees(site: Site, app: Tree) -> None:
    other = site.tree("other")
    small_application(other.root)
    site.release(other, release="v7", sequence=7)
    assert plugin(site.check("--nagios"), OK)[0] == "2 trees clean"
    write_files(other.root, {"app.py": "edited\n"})
    assert re.fullmatch(r"other v7 drift, 1 of \d+ entries; 1 tree clean", plugin(site.check("--nagios"), CRITICAL)[0])
    app.signature.unlink()
    text, data, further = plugin(site.check("--nagios"), CRITICAL)
    assert re.fullmatch(r"other v7 drift, 1 of \d+ entries; app unknown, manifest: signature", text)
    assert data["problems"] == "1;;;0"
    assert further[0].startswith(f"app: {app.signature}: no signature")


def test_names_cannot_break_out(site: Site) -> None:
    tree = site.tree("app")
    site.release(tree)
    make_tree(tree.root, [b"| drift=0", b"a\n| drift=0", b"\x1b[2J", b"<script>", b"x" * 255])
    _, _, further = plugin(site.check("--nagios"), CRITICAL)
    assert any("\\x7c drift=0" in line for line in further)


def test_much_drift_stays_short(site: Site, app: Tree) -> None:
    write_files(app.root, {f"new{number:03}": "x\n" for number in range(200)})
    _, data, further = plugin(site.check("--nagios"), CRITICAL)
    assert data["drift"] == "200;;0;0" and further[-1] == "... and 190 more: driftd check"


def unsign(site: Site, app: Tree) -> None:
    app.signature.unlink()


def lose_root(site: Site, app: Tree) -> None:
    shutil.rmtree(app.root)


def distrust(site: Site, app: Tree) -> None:
    site.trust_directory.chmod(0o777)


@pytest.mark.parametrize("spoil", [unsign, lose_root, distrust])
def test_what_cannot_be_judged_is_unknown(site: Site, app: Tree, spoil) -> None:
    spoil(site, app)
    text, _, further = plugin(site.check("--nagios"), UNKNOWN)
    assert text.startswith("app ") and further


def test_a_missing_file_of_a_missing_tree_is_unknown(site: Site, app: Tree) -> None:
    lose_root(site, app)
    plugin(site.check("--nagios", app.root / "lib" / "util.py"), UNKNOWN)


WRONG = {
    "no such option": ["check", "--nagios", "--frobnicate"],
    "no such command": ["chekc", "--nagios"],
    "two outputs": ["check", "--json", "--nagios"],
    "a bad number": ["check", "--nagios", "--threads", "x"],
    "half the free form": ["check", "--nagios", "--root", "/"],
    "no such key": ["check", "--nagios", "--root", "/", "--manifest", "/nope", "--trust", "/no|pe.pub"],
    "no configuration": ["check", "--nagios", "--config", "/no|pe"],
    "a bad path": ["check", "--nagios", "--config", "CONFIG", "/etc/hostname"],
    "an empty path": ["check", "--nagios", "--config", "CONFIG", ""],
    "no such tree": ["check", "--nagios", "--config", "CONFIG", "--tree", "appp"],
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_unknown_too(site: Site, app: Tree, case: str) -> None:
    """64 and 1 are codes that a monitor takes for something else."""
    config = str(site.write_config())
    text, data, further = plugin(driftd(*[config if word == "CONFIG" else word for word in WRONG[case]]), UNKNOWN)
    assert text and not data and not further


def test_a_bad_configuration_is_unknown(workdir: Path) -> None:
    config = workdir / "driftd.yaml"
    config.write_text("trees: []\nwach: auto\n")
    assert f"{config}:2:1" in plugin(driftd("check", "--nagios", "--config", config), UNKNOWN)[0]


def test_no_progress_for_a_monitor(site: Site, app: Tree) -> None:
    result = run([DRIFTD, "check", "--nagios", "--config", site.write_config()])
    assert result.stderr == b"" and b"\r" not in result.stdout
