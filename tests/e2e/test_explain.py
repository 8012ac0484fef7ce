"""`driftd explain PATH`: which rule decides, what was expected, what is there, and what to type next."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.checks import check
from support.hostile_names import make_tree
from support.json_shape import raw_path
from support.marks import needs_root
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFT, DRIFTD, USAGE, Result, driftd, environment, run
from support.safe_output import assert_safe, escaped
from support.site import Site, Tree, small_application, write_files

pytestmark = needs_root


def explain(site: Site, *arguments: str | bytes | Path, **how) -> Result:
    how.setdefault("env", environment(**site.directories()))
    return driftd("explain", "--config", site.write_config(), *arguments, **how)


def rows(result: Result) -> dict[str, str]:
    """The last of each name."""
    return dict(re.findall(r"(?m)^  ([a-z]+) +(.*)$", result.out))


def next_line(result: Result) -> str:
    return re.findall(r"(?m)^Next: (.*)$", result.out)[-1]


def test_a_clean_file(site: Site, app: Tree) -> None:
    shown = explain(site, app.root / "app.py").expect(CLEAN)
    assert shown.out.startswith(f"{app.root}/app.py  CLEAN\n") and shown.stderr == b""
    size = (app.root / "app.py").stat().st_size
    assert rows(shown)["rule"] == "listed: the release has a file here"
    assert rows(shown)["expected"].startswith(f"file, size {size}, not executable, blake3 ")
    assert rows(shown)["actual"] == "as expected"
    assert rows(shown)["tree"] == f"app, {app.root}"
    assert rows(shown)["release"].startswith(f"v1, sequence 1, signed by {site.keys.id[:8]}")
    assert "Next:" not in shown.out


def test_a_modified_file(site: Site, app: Tree) -> None:
    expected = (app.root / "settings.py").stat().st_size
    write_files(app.root, {"settings.py": "DEBUG = True\n"})
    shown = explain(site, app.root / "settings.py").expect(DRIFT)
    assert re.match(rf"{app.root}/settings\.py  DRIFT  modified, changed \d+ s ago\n", shown.out)
    assert rows(shown)["expected"].startswith(f"file, size {expected}, ")
    assert rows(shown)["actual"].startswith("file, size 13, mode 0644, owner 0, group 0, content not read")
    assert rows(shown)["differs"] == f"size {expected} -> 13, content"
    assert next_line(shown).startswith("put back what v1 has, then: driftd check --config ")


@pytest.mark.parametrize("path", ["lib/deep", "lib/deep/er/module.py"])
def test_what_is_missing_is_explained_where_it_begins(site: Site, app: Tree, path: str) -> None:
    (app.root / "lib" / "deep").rename(site.directory / "deep")
    shown = explain(site, app.root / path).expect(DRIFT)
    assert shown.out.startswith(f"{app.root}/{path}  DRIFT  missing\n")
    assert (rows(shown)["actual"], rows(shown)["below"]) == ("nothing", "2 paths")
    assert rows(shown).get("decided") == (None if path == "lib/deep" else "at lib/deep, above it")


def test_what_was_added(site: Site, app: Tree) -> None:
    write_files(app.root, {"new/deep/file": "x\n"})
    shown = explain(site, app.root / "new/deep/file").expect(DRIFT)
    assert rows(shown)["decided"] == "at new, above it"
    assert rows(shown)["rule"] == "not listed, and no rule lets anything be here"
    assert (rows(shown)["expected"], rows(shown)["below"]) == ("nothing", "2 paths")
    assert next_line(shown).startswith(f"ls -ld {app.root}/new ")


def test_what_rules_leave_unchecked(site: Site, app: Tree) -> None:
    (app.root / "var" / "cache").mkdir(parents=True)
    site.release(app, "--mutable", "var/cache/**", "--mutable", "lib/*.pyc", "--optional", "local.conf")
    write_files(app.root, {"var/cache/a/b": "x\n", "lib/util.pyc": "x\n", "local.conf": "x\n"})
    ignored = explain(site, app.root / "var/cache/a/b").expect(CLEAN)
    assert rows(ignored)["rule"].startswith("ignored: the manifest lets anything be below var/cache")
    by_glob = explain(site, app.root / "lib/util.pyc").expect(CLEAN)
    assert rows(by_glob)["rule"].startswith("mutable: not listed, and `#mutable: lib/*.pyc` lets anything be here")
    optional = explain(site, app.root / "local.conf").expect(CLEAN)
    assert rows(optional)["rule"] == "listed: the release has a file here, of any content, which may be absent"
    assert rows(optional)["actual"] == "as expected"
    (app.root / "local.conf").unlink()
    assert rows(explain(site, app.root / "local.conf").expect(CLEAN))["actual"] == "nothing, which is allowed"
    (app.root / "lib" / "util.pyc").chmod(0o4755)
    assert rows(explain(site, app.root / "lib/util.pyc").expect(DRIFT))["differs"].startswith("mode 4755: setuid")


@pytest.mark.parametrize("path", ["var/cache", "var/cache/conf"])
def test_what_vanished_with_a_mutable_directory(site: Site, app: Tree, path: str) -> None:
    """The rule lets the directory vanish, and not what the release wants in it."""
    write_files(app.root, {"var/cache/conf": "x\n"})
    site.release(app, "--mutable", "var/*", "--generated", "var/cache/conf")
    rule = "`#mutable: var/*` covers it too, but each path that is listed below it has its own rule"
    shown = explain(site, app.root / "var/cache").expect(CLEAN)
    assert rows(shown)["rule"] == f"listed: the release has a directory here; {rule}"
    shutil.rmtree(app.root / "var" / "cache")
    assert check(site).kinds == {"var/cache": "missing"}
    shown = explain(site, app.root / path).expect(DRIFT)
    assert shown.out.startswith(f"{app.root}/{path}  DRIFT  missing\n")
    assert (rows(shown)["actual"], rows(shown)["below"]) == ("nothing", "1 path")
    assert rows(shown)["rule"].endswith(rule)


def test_the_manifest_inside_and_a_nested_tree(site: Site) -> None:
    outer = site.tree("outer")
    small_application(outer.root)
    outer.manifest = outer.root / "outer.manifest"
    site.release(outer)
    inner = site.tree("inner", root=outer.root / "plugins" / "inner")
    small_application(inner.root)
    site.release(inner)
    assert rows(explain(site, outer.manifest).expect(CLEAN))["rule"].startswith("exempt: the tree's own manifest")
    shown = explain(site, outer.root / "plugins").expect(CLEAN)
    assert "exempt: a directory may be here" in shown.out and rows(shown)["tree"] == f"inner, {inner.root}"
    shown = explain(site, "--tree", "outer", outer.root / "plugins").expect(CLEAN)
    assert rows(shown)["rule"].startswith("exempt: a directory may be")
    # The inner tree decides about its own.
    shown = explain(site, inner.root / "app.py").expect(CLEAN)
    assert shown.out.count("CLEAN") == 1 and rows(shown)["tree"] == f"inner, {inner.root}"
    shown = explain(site, "--tree", "outer", inner.root / "app.py").expect(COULD_NOT_JUDGE)
    assert rows(shown)["rule"] == "left out: another tree has its root at plugins/inner"
    assert "CLEAN" not in shown.out


def test_a_directory_with_drift_below(site: Site, app: Tree) -> None:
    write_files(app.root, {"lib/new.py": "x\n", "lib/util.py": "edited\n"})
    for path, first in ((app.root / "lib", "lib/new.py"), (app.root, "lib/new.py")):
        shown = explain(site, path).expect(DRIFT)
        assert shown.out.startswith(f"{path}  DRIFT  below it\n")
        assert rows(shown)["below"] == f"2 paths are not clean, the first is {first}"


def test_a_path_that_nobody_knows(site: Site, app: Tree) -> None:
    shown = explain(site, app.root / "setings.py").expect(COULD_NOT_JUDGE)
    assert "neither on the host nor in the manifest" in rows(shown)["problem"]
    assert "CLEAN" not in shown.out


def test_a_refused_manifest(site: Site, app: Tree) -> None:
    app.signature.unlink()
    shown = explain(site, app.root / "app.py").expect(COULD_NOT_JUDGE)
    assert shown.out.startswith(f"{app.root}/app.py  UNKNOWN\n") and str(app.signature) in rows(shown)["problem"]
    assert next_line(shown).startswith("put that right")


def test_what_cannot_be_read(site: Site, app: Tree) -> None:
    program = site.directory / "driftd"
    program.write_bytes(DRIFTD.read_bytes())
    program.chmod(0o755)
    (app.root / "settings.py").chmod(0)
    where = ("--root", app.root, "--manifest", app.manifest, "--trust", site.keys.public)
    shown = run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "explain", *where]
        + [app.root / "settings.py"]
    ).expect(COULD_NOT_JUDGE)
    assert rows(shown)["unknown"] == "driftd may not read it (Permission denied)"
    assert next_line(shown) == "run this again as root"


def test_hostile_names(site: Site) -> None:
    """Each is explained as itself, and the command that comes next names it, as a shell reads it."""
    tree = site.tree("app")
    site.release(tree)
    make_tree(tree.root)
    paths = [raw_path(finding) for finding in check(site).drift]
    for path in [path for path in paths if b"/" not in path][::3]:
        whole = os.fsencode(tree.root) + b"/" + path
        shown = explain(site, whole).expect(DRIFT)
        assert_safe(shown.stdout, "explain")
        assert shown.out.startswith(f"{escaped(whole)}  DRIFT  added")
        word = next_line(shown).removeprefix("ls -ld ").removesuffix("   then remove it, or ship it in a release")
        read = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
        assert read.stdout == whole, shown.out


def test_the_report_names_the_command(site: Site, app: Tree) -> None:
    """From anywhere, and for whatever was asked."""
    write_files(app.root, {"it's new": "x\n"})
    for report in (site.check(), site.check_free(app)):
        command = next_line(report.expect(DRIFT))
        assert command.startswith("driftd explain ")
        typed = run(["bash", "-c", f'driftd() {{ "{DRIFTD}" "$@"; }}; {command}'], cwd=Path("/")).expect(DRIFT)
        assert typed.out.startswith(f"{app.root}/it's new  DRIFT  added"), str(typed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "PATH"), (["a", "b"], "b"), (["--json", "a"], "--json"), ([""], "empty"), (["/etc/hostname"], "no tree")],
)
def test_wrong_usage(site: Site, app: Tree, arguments: list[str], said: str) -> None:
    refused = explain(site, *arguments).expect(USAGE)
    assert said in refused.err and refused.stdout == b"" and len(refused.stderr.splitlines()) == 1


def test_colour_on_demand(site: Site, app: Tree) -> None:
    assert "\x1b[32mCLEAN\x1b[0m" in explain(site, "--color", "always", app.root).out
    assert "\x1b" not in explain(site, app.root).out
