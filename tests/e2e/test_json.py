"""The JSON document: its shape is the documented one, to the field, and it says what the other outputs say."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.checks import check, parse
from support.marks import needs_root
from support.programs import CLEAN, DRIFT, driftd
from support.release import headers_of
from support.site import Site, Tree, small_application, write_files

pytestmark = needs_root


def test_a_clean_tree(site: Site, app: Tree) -> None:
    document = check(site).document
    assert document["verdict"] == "clean"
    assert document["host"] == socket.gethostname()
    checked = datetime.strptime(document["checked_at"], "%Y-%m-%dT%H:%M:%S%z")
    assert abs(datetime.now(UTC) - checked) < timedelta(minutes=2)

    tree = document["trees"][0]
    size = sum(path.stat().st_size for path in app.root.rglob("*") if path.is_file() and not path.is_symlink())
    assert (tree["name"], tree["root"], tree["verdict"]) == ("app", str(app.root), "clean")
    assert (tree["entries"], tree["bytes"]) == (1 + len(list(app.root.rglob("*"))), size)
    assert tree["drift"] == tree["unverified"] == [] and not tree.get("problems")


def test_the_manifest_in_force(site: Site, app: Tree) -> None:
    site.release(app, "--expires", "90d", release="v103", sequence=103)
    manifest = check(site).document["trees"][0]["manifest"]
    headers = headers_of(app.manifest)
    assert (manifest["release"], manifest["sequence"]) == ("v103", 103)
    assert manifest["content"] == headers["content"]
    assert manifest["keys"] == [site.keys.id]
    assert manifest["expires"] == headers["expires"]
    assert manifest["overrides"] == []


def spoil_in_every_way(root: Path) -> None:
    (root / "settings.py").write_text("DEBUG = True\n")  # another size
    (root / "app.py").write_text((root / "app.py").read_text().replace("print", "eval "))  # the same size
    (root / "lib" / "util.py").unlink()
    write_files(root, {"new.py": "x\n", "more/a": "a\n", "more/b/c": "c\n"})
    (root / "bin" / "run").chmod(0o777)
    (root / "current").unlink()
    (root / "current").symlink_to("bin")
    (root / "lib" / "__init__.py").unlink()
    (root / "lib" / "__init__.py").symlink_to("/dev/null")
    (root / "lib" / "deep").rename(root.parent / "deep")


def test_every_kind_of_drift(site: Site, app: Tree) -> None:
    spoil_in_every_way(app.root)
    found = check(site)
    assert found.document["verdict"] == "drift"
    assert found.kinds == {
        "settings.py": "modified",
        "app.py": "modified",
        "lib/util.py": "missing",
        "lib/deep": "missing",
        "lib/__init__.py": "type",
        "new.py": "added",
        "more": "added",
        "bin/run": "metadata",
        "current": "target",
    }


def test_what_was_expected_and_what_is_there(site: Site, app: Tree) -> None:
    expected_size = (app.root / "settings.py").stat().st_size
    spoil_in_every_way(app.root)
    found = check(site)

    other_size = found.finding("settings.py")
    assert set(other_size["changes"]) == {"content", "size"}
    assert (other_size["expected"]["size"], other_size["actual"]["size"]) == (expected_size, len("DEBUG = True\n"))
    assert other_size["actual"]["blake3"] is None, "where the size differs the content is not read"

    same_size = found.finding("app.py")
    assert same_size["changes"] == ["content"]
    assert None not in (same_size["expected"]["blake3"], same_size["actual"]["blake3"])

    assert found.finding("bin/run")["changes"] == ["mode"]
    assert found.finding("bin/run")["actual"]["mode"] == "0777"
    link = found.finding("current")
    assert (link["expected"]["target"], link["actual"]["target"]) == ("lib", "bin")
    other_type = found.finding("lib/__init__.py")
    assert (other_type["expected"]["type"], other_type["actual"]["type"]) == ("file", "symlink")


def test_what_is_below_a_directory_is_counted(site: Site, app: Tree) -> None:
    spoil_in_every_way(app.root)
    found = check(site)
    assert found.finding("lib/deep")["below"] == 2  # er, er/module.py
    assert found.finding("more")["below"] == 3  # a, b, b/c
    assert found.finding("new.py").get("below", 0) == 0


def test_exact_modes_are_told_on_both_sides(site: Site, app: Tree) -> None:
    site.release(app, "--mode", "exact", "--owner", "source")
    (app.root / "bin" / "run").chmod(0o700)
    finding = check(site).finding("bin/run")
    assert (finding["expected"]["mode"], finding["actual"]["mode"]) == ("0755", "0700")


def test_one_tree_alone(site: Site, app: Tree) -> None:
    other = site.tree("other")
    small_application(other.root)
    site.release(other)
    write_files(other.root, {"app.py": "edited\n"})
    assert [tree["name"] for tree in check(site).document["trees"]] == ["app", "other"]
    assert [tree["name"] for tree in check(site, "--tree", "app").document["trees"]] == ["app"]
    site.check("--tree", "app").expect(CLEAN)
    site.check("--tree", "other").expect(DRIFT)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["app.py"], []),
        (["settings.py"], ["settings.py"]),
        (["app.py", "settings.py"], ["settings.py"]),
        (["lib"], ["lib/new.py", "lib/util.py"]),
        (["lib/util.py"], ["lib/util.py"]),
        (["lib/new.py"], ["lib/new.py"]),
        (["lib/deep/er/module.py"], []),
    ],
)
@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "as findings are written"])
def test_paths_alone(site: Site, app: Tree, asked: list[str], found: list[str], absolute: bool) -> None:
    write_files(app.root, {"settings.py": "edited\n", "lib/new.py": "x\n"})
    (app.root / "lib" / "util.py").unlink()
    paths = [str(app.root / path) for path in asked] if absolute else ["--tree", "app", *asked]
    assert sorted(check(site, *paths).kinds) == found


def test_without_a_configuration(site: Site, app: Tree) -> None:
    clean = parse(site.check_free(app, "--json"))
    assert clean.document["verdict"] == "clean" and clean.document["trees"][0]["name"] == "app"
    write_files(app.root, {"app.py": "edited\n"})
    assert parse(site.check_free(app, "--json")).kinds == {"app.py": "modified"}


@pytest.mark.parametrize("threads", ["1", "2", "7"])
def test_the_number_of_threads_changes_nothing(site: Site, app: Tree, threads: str) -> None:
    spoil_in_every_way(app.root)
    one, several = check(site, "--threads", "1"), check(site, "--threads", threads)
    assert one.drift == several.drift


def test_both_spellings_are_one_command(site: Site, app: Tree) -> None:
    write_files(app.root, {"app.py": "edited\n"})
    config = site.write_config()
    results = [driftd(word, "--config", config, "--json").expect(DRIFT) for word in ("--check", "check")]
    assert parse(results[0]).drift == parse(results[1]).drift


def test_quiet_says_nothing(site: Site, app: Tree) -> None:
    assert site.check("--quiet").expect(CLEAN).stdout == b""
    write_files(app.root, {"app.py": "edited\n"})
    quiet = site.check("--quiet").expect(DRIFT)
    assert quiet.stdout == b"" and quiet.stderr == b""
