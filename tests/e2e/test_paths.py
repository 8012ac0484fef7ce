"""PATH arguments of --check: what they name, and that a wrong one is never clean."""

import shutil
from pathlib import Path

import pytest

from support.checks import check
from support.site import Site, Tree, write_files


def elsewhere(site: Site, app: Tree) -> Path:
    """`lib` is a link to an equal copy: each file seen through it is right, and none of them is in the tree."""
    copy = site.directory / "elsewhere"
    shutil.copytree(app.root / "lib", copy)
    shutil.rmtree(app.root / "lib")
    (app.root / "lib").symlink_to(copy)
    return copy


@pytest.mark.parametrize("path", ["lib", "lib/util.py", "lib/deep/er/module.py"])
def test_a_directory_that_became_a_link_is_drift_from_below_too(site: Site, app: Tree, path: str) -> None:
    elsewhere(site, app)
    assert check(site).kinds == {"lib": "type"}
    assert check(site, app.root / path).kinds == {"lib": "type"}


def test_a_relative_path_is_taken_from_where_one_stands(site: Site, app: Tree) -> None:
    """`util.py` of lib/, not one at the root; then the tree's root, for whoever stands anywhere else."""
    write_files(app.root, {"lib/util.py": "edited\n", "util.py": "new\n"})
    assert check(site, "util.py", cwd=app.root / "lib").kinds == {"lib/util.py": "modified"}
    assert check(site, "util.py", cwd=app.root).kinds == {"util.py": "added"}
    assert check(site, "util.py", cwd="/").kinds == {"util.py": "added"}
    assert check(site, "../app.py", cwd=app.root / "lib").document["verdict"] == "clean"
    assert check(site, ".", cwd=app.root / "lib").kinds == {"lib/util.py": "modified"}


def test_a_path_through_another_link_to_the_root(site: Site, app: Tree) -> None:
    write_files(app.root, {"lib/util.py": "edited\n"})
    (site.directory / "shortcut").symlink_to(app.root)
    assert check(site, site.directory / "shortcut" / "lib").kinds == {"lib/util.py": "modified"}
    assert check(site, site.directory / "shortcut").kinds == {"lib/util.py": "modified"}


def test_only_what_was_asked_for_is_judged(site: Site, app: Tree) -> None:
    write_files(app.root, {"app.py": "edited\n"})
    found = check(site, app.root / "lib")
    assert found.document["verdict"] == "clean"
    assert check(site, app.root / "lib", app.root / "app.py").kinds == {"app.py": "modified"}


def test_a_slip_of_the_pen_is_not_clean(site: Site, app: Tree) -> None:
    result = site.check("setings.py", cwd=app.root)
    assert result.code == 1
    assert "setings.py: neither on the host nor in the manifest" in result.err
    assert "CLEAN" not in result.out


def test_a_path_outside_every_tree_is_wrong_usage(site: Site, app: Tree) -> None:
    result = site.check("/etc/hostname")
    assert result.code == 64
    assert "/etc/hostname: lies in no tree that is checked" in result.err
    assert result.out == ""


def second_tree(site: Site, name: str = "other", root: Path | None = None) -> Tree:
    tree = site.tree(name, root=root)
    write_files(tree.root, {"other.py": "x\n", "both.py": "x\n"})
    site.release(tree)
    return tree


@pytest.mark.parametrize("path", ["lib", "lib/", "lib//", "./lib", "lib/.", "lib/deep/.."])
def test_spellings_of_a_directory(site: Site, app: Tree, path: str) -> None:
    write_files(app.root, {"lib/util.py": "edited\n", "app.py": "edited\n"})
    assert check(site, path, cwd=app.root).kinds == {"lib/util.py": "modified"}
    assert check(site, f"{app.root}/{path}").kinds == {"lib/util.py": "modified"}


def test_a_missing_file_that_the_manifest_lists(site: Site, app: Tree) -> None:
    (app.root / "lib" / "util.py").unlink()
    assert check(site, app.root / "lib" / "util.py").kinds == {"lib/util.py": "missing"}
    assert check(site, app.root / "lib" / "util.py" / "x").kinds == {"lib/util.py": "missing"}


def test_a_path_of_one_of_several_trees(site: Site, app: Tree) -> None:
    """Taken from each tree's root, it was meant for those that know it."""
    second_tree(site)
    found = check(site, "other.py", cwd="/")
    assert [tree["name"] for tree in found.document["trees"]] == ["other"]
    assert found.document["verdict"] == "clean"
    write_files(app.root, {"both.py": "new\n"})
    assert [tree["name"] for tree in check(site, "both.py", cwd="/").document["trees"]] == ["app", "other"]
    # A file that is gone is known by the manifest, whatever another tree has there.
    (app.root / "both.py").unlink()
    site.release(app)
    write_files(app.root, {"both.py": "x\n"})
    site.release(app, release="v2", sequence=2)
    (app.root / "both.py").unlink()
    assert check(site, "both.py", cwd="/").kinds == {"both.py": "missing"}
    nobody = check(site, "nobody.py", cwd="/")
    assert nobody.document["verdict"] == "unknown" and len(nobody.document["trees"]) == 2


def test_a_refused_tree_may_have_been_meant(site: Site, app: Tree) -> None:
    second_tree(site).signature.unlink()
    assert check(site, "other.py", cwd="/").document["verdict"] == "unknown"


def test_standing_in_one_of_several_trees(site: Site, app: Tree) -> None:
    second_tree(site)
    found = check(site, "util.py", cwd=app.root / "lib")
    assert [tree["name"] for tree in found.document["trees"]] == ["app"]
    assert found.document["verdict"] == "clean"


def test_a_path_in_a_nested_tree_is_the_nested_trees(site: Site, app: Tree) -> None:
    inner = second_tree(site, "inner", app.root / "plugins" / "inner")
    write_files(inner.root, {"other.py": "edited\n"})
    for path in (inner.root / "other.py", inner.root):
        found = check(site, path)
        assert [tree["name"] for tree in found.document["trees"]] == ["inner"]
        assert found.kinds == {"other.py": "modified"}
    # Nobody looked, so it is not clean.
    asked = check(site, "--tree", "app", inner.root / "other.py")
    assert asked.document["verdict"] == "unknown"
    assert asked.document["trees"][0]["problems"][0]["reason"] == "nested"
    assert check(site, app.root / "plugins").document["verdict"] == "clean"


def test_an_empty_path_is_wrong_usage(site: Site, app: Tree) -> None:
    """Of an unset variable in a script; it must not be the whole tree, nor the working directory."""
    for cwd in (app.root, Path("/")):
        result = site.check("", cwd=cwd)
        assert result.code == 64 and "a PATH is empty" in result.err and result.out == ""


def test_a_path_of_a_tree_whose_root_is_gone_is_unknown(site: Site, app: Tree) -> None:
    """As where a mount did not come up: the path is the tree's all the same."""
    shutil.rmtree(app.root)
    found = check(site, app.root / "lib" / "util.py")
    assert found.document["verdict"] == "unknown"
    assert found.document["trees"][0]["problems"][0]["what"] == "scan"


@pytest.mark.parametrize("path", ["app.py", "settings.py", "lib", "nope"])
def test_quiet_has_the_same_exit_code(site: Site, app: Tree, path: str) -> None:
    write_files(app.root, {"settings.py": "edited\n"})
    loud, quiet = site.check(app.root / path), site.check("--quiet", app.root / path)
    assert quiet.code == loud.code and quiet.stdout == b"" and quiet.stderr == loud.stderr


@pytest.mark.parametrize("leads", ["lib", "/etc", "by-link"])
def test_a_path_behind_a_link_is_not_clean(site: Site, app: Tree, leads: str) -> None:
    """The scan stops at the link, so nobody has looked at what was asked for."""
    (app.root / "by-link").symlink_to(leads)
    site.release(app)
    result = site.check(str(app.root) + "/by-link/passwd")
    assert result.code == 1
    assert "lies behind by-link" in result.err
    assert "CLEAN" not in result.out


def test_a_path_that_is_too_long_is_not_clean(site: Site, app: Tree) -> None:
    result = site.check("a/" * 2040 + "b", cwd="/")
    assert result.code == 1
    assert "CLEAN" not in result.out
