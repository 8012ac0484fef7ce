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
