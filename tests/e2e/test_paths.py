"""PATH arguments of --check: what they name, and that a wrong one is never clean."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from support.checks import check, parse
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFT, driftd, environment
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
    assert check(site, "--tree", "app", app.root / "plugins").document["verdict"] == "clean"


def test_a_path_above_a_nested_tree_asks_for_that_tree_too(site: Site, app: Tree) -> None:
    inner = second_tree(site, "inner", app.root / "plugins" / "inner")
    write_files(inner.root, {"other.py": "edited\n"})
    write_files(app.root, {"app.py": "edited\n"})
    for path in ("plugins", "plugins/", "./lib/../plugins"):
        assert check(site, f"{app.root}/{path}").kinds == {"other.py": "modified"}
        assert check(site, path, cwd=app.root).kinds == {"other.py": "modified"}
    assert check(site, "plugins", cwd="/").kinds == {"other.py": "modified"}
    for found in (check(site, app.root), check(site, ".", cwd=app.root)):
        assert found.kinds == {"app.py": "modified", "other.py": "modified"}
    assert check(site, f"{app.root}/lib").document["verdict"] == "clean"
    shutil.rmtree(inner.root)
    assert check(site, f"{app.root}/plugins").document["verdict"] == "unknown"


def test_a_guess_is_the_innermost_trees(site: Site, app: Tree) -> None:
    inner = second_tree(site, "inner", app.root / "plugins" / "inner")
    write_files(inner.root, {"other.py": "edited\n"})
    for path in ("plugins/inner/other.py", "../app/plugins/inner/other.py", "plugins/inner", "plugins/inner/"):
        found = check(site, path, cwd="/")
        assert found.kinds == {"other.py": "modified"}
        assert [tree["name"] for tree in found.document["trees"]] == ["inner"]
    assert check(site, "plugins/inner/none.py", cwd="/").document["verdict"] == "unknown"


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


@pytest.mark.parametrize("rule", ["--mutable=data/**", "--mutable=**/link"])
def test_a_path_behind_a_link_in_what_may_change_is_not_clean(site: Site, app: Tree, rule: str) -> None:
    """The link itself may be there; what it leads to was edited."""
    (app.root / "data").mkdir()
    site.release(app, rule)
    (app.root / "data" / "link").symlink_to("..")
    write_files(app.root, {"lib/util.py": "edited\n"})
    for path in ("data/link/lib/util.py", "data/link/lib", "data/link/none"):
        assert problems(site, f"{app.root}/{path}") == ["path:behind"]
        assert problems(site, path, cwd=app.root) == ["path:behind"]
        assert f"{path}: lies behind data/link, which is a link" in site.check(f"{app.root}/{path}").err
    for path in ("data", "data/link"):
        assert problems(site, f"{app.root}/{path}") == []


def test_a_path_behind_a_link_that_nobody_reports_is_not_clean(site: Site, app: Tree) -> None:
    app.settings.update(additions="ignore")
    (app.root / "new").symlink_to("lib")
    write_files(app.root, {"lib/util.py": "edited\n"})
    assert problems(site, f"{app.root}/new/util.py") == ["path:behind"]


def linked(site: Site, app: Tree) -> Path:
    """`deep` is a link to lib/deep/er, in the release too; what is behind it was edited."""
    (app.root / "deep").symlink_to("lib/deep/er")
    site.release(app)
    write_files(app.root, {"lib/deep/er/module.py": "edited\n"})
    return app.root


def problems(site: Site, *paths: str | Path, cwd: str | Path = "/") -> list[str]:
    """Of the tree `app`; none of what was asked for is drift."""
    found = check(site, *paths, cwd=cwd)
    assert found.kinds == {}
    told = found.document["trees"][0]["problems"]
    assert found.document["verdict"] == ("unknown" if told else "clean")
    return [f"{problem['what']}:{problem['reason']}" for problem in told]


@pytest.mark.parametrize(
    "path", ["deep/", "deep//", "deep/.", "deep/./", "./deep/", "lib/../deep/", "deep/../settings.py", "deep/../deep"]
)
def test_a_path_through_a_link_is_not_clean(site: Site, app: Tree, path: str) -> None:
    """The kernel, and whoever types it, goes to where the link leads; nobody looked there."""
    root = linked(site, app)
    assert problems(site, f"{root}/{path}") == ["path:behind"]
    assert problems(site, path, cwd=root) == ["path:behind"]
    assert problems(site, path) == ["path:behind"]
    assert problems(site, f"{root}/settings.py", f"{root}/{path}") == ["path:behind"]
    result = site.check(f"{root}/{path}")
    assert result.code == 1 and "CLEAN" not in result.out
    assert f"{root}/{path}: lies behind {root}/deep, which is a link" in result.err
    assert site.check("--porcelain", f"{root}/{path}").out == f"problem\tpath:behind\t{root}/deep\n"
    explained = driftd(
        "explain", "--config", site.write_config(), f"{root}/{path}", env=environment(**site.directories())
    )
    assert explained.code == 1 and "which is a link" in explained.out and "CLEAN" not in explained.out


@pytest.mark.parametrize("path", ["deep", "bin/", "bin/.", "lib/../settings.py", "lib/deep/../util.py", "./bin//."])
def test_a_path_through_real_directories_is_looked_at(site: Site, app: Tree, path: str) -> None:
    root = linked(site, app)
    assert problems(site, f"{root}/{path}") == []
    assert problems(site, path, cwd=root) == []
    assert problems(site, path) == []


@pytest.mark.parametrize("path", ["deep/..", "deep/../", "deep/../.", "deep/../lib"])
def test_more_drift_than_was_meant_does_not_hide_a_link(site: Site, app: Tree, path: str) -> None:
    root = linked(site, app)
    for found in (check(site, f"{root}/{path}"), check(site, path, cwd="/"), check(site, root, f"{root}/deep/")):
        assert found.kinds == {"lib/deep/er/module.py": "modified"}
        assert [problem["reason"] for problem in found.document["trees"][0]["problems"]] == ["behind"]


def test_a_path_through_what_became_a_link_is_not_clean(site: Site, app: Tree) -> None:
    elsewhere(site, app)
    assert problems(site, f"{app.root}/lib/../settings.py") == ["path:behind"]
    assert check(site, f"{app.root}/lib/").kinds == {"lib": "type"}


def test_links_that_lead_to_a_tree_are_followed(site: Site, app: Tree) -> None:
    """At its root or above, even if another tree has them."""
    inner = second_tree(site, "inner", app.root / "plugins" / "inner")
    (app.root / "inner").symlink_to("plugins/inner")
    (site.directory / "shortcut").symlink_to(app.root)
    site.release(app)
    for path in (f"{app.root}/inner/", f"{app.root}/inner/.", f"{app.root}/inner/other.py", f"{inner.root}/"):
        found = check(site, path)
        by_link = path.startswith(f"{app.root}/inner")
        assert [tree["name"] for tree in found.document["trees"]] == [*(["app"] if by_link else []), "inner"]
        assert found.document["verdict"] == "clean"
    for path in ("shortcut/", "shortcut/.", "shortcut/lib/../app.py", "shortcut/lib/"):
        assert check(site, f"{site.directory}/{path}").document["verdict"] == "clean"
    for path in (f"{app.root}/inner/../app.py", f"{app.root}/inner/../plugins/inner/other.py"):
        assert check(site, path).document["verdict"] == "unknown"
    # The second leads to nothing: the directory above the tree's root has no link of that name.
    for path in ("shortcut/inner/../app.py", "shortcut/../shortcut/lib"):
        assert check(site, f"{site.directory}/{path}").document["verdict"] == "unknown"


def test_going_up_from_a_link_outside_of_the_trees(site: Site, app: Tree) -> None:
    """The kernel goes to the directory above the one that the link leads to."""
    base = site.directory
    data = second_tree(site, "data", base / "data" / "app")
    (base / "data" / "v1").mkdir()
    (app.root.parent / "current").symlink_to(base / "data" / "v1")
    (app.root.parent / "dangling").symlink_to("v1/none")
    write_files(app.root, {"other.py": "x\n"})
    site.release(app)
    write_files(data.root, {"other.py": "edited\n"})
    for link in ("current", "dangling", "./current/../../data/v1/../../srv/current"):
        path = f"{app.root.parent}/{link}/../app/other.py"
        for paths in ([path], [app.root, path]):
            assert problems(site, *paths) == ["path:behind"]
        assert f"/{link.split('/')[-1]}, which is a link" in site.check(path).err
    for path in ("current/../../app", "current/.."):
        assert site.check(f"{app.root.parent}/{path}").code == 64
    # Where both are the same directory it does not matter.
    (app.root.parent / "beside").symlink_to("app/../app")
    (app.root.parent / "around").symlink_to(app.root.parent)
    assert problems(site, f"{app.root.parent}/beside/../app/other.py") == []
    assert problems(site, f"{app.root.parent}/around/app/../app/other.py") == []


def test_going_up_from_a_link_that_is_the_root_of_a_tree(site: Site, app: Tree) -> None:
    releases = site.directory / "releases"
    second_tree(site, "of-release", releases / "app")
    (releases / "v1").mkdir()
    (app.root.parent / "current").symlink_to(releases / "v1")
    second_tree(site, "current", app.root.parent / "current")
    write_files(app.root, {"other.py": "x\n"})
    site.release(app)
    assert check(site, f"{app.root.parent}/current/../app/other.py").document["verdict"] == "unknown"
    assert check(site, "../app/other.py", cwd=releases / "v1").document["trees"][0]["name"] == "of-release"
    for path in ("current", "current/", "current/.", "current/other.py"):
        assert check(site, f"{app.root.parent}/{path}").document["verdict"] == "clean"


def test_a_link_that_leads_to_another_tree_than_it_should(site: Site, app: Tree) -> None:
    """Both trees are as they were released, and the outer one's link is not."""
    for name in ("old", "new"):
        second_tree(site, name, app.root / name)
    (app.root / "used").symlink_to("new")
    site.release(app)
    assert check(site, f"{app.root}/used/other.py").document["verdict"] == "clean"
    (app.root / "used").unlink()
    (app.root / "used").symlink_to("old")
    for path in ("used", "used/", "used/.", "used/other.py"):
        assert check(site, f"{app.root}/{path}").kinds == {"used": "target"}
        assert check(site, path, cwd=app.root).kinds == {"used": "target"}
    explained = driftd(
        "explain", "--config", site.write_config(), f"{app.root}/used/other.py", env=environment(**site.directories())
    )
    assert explained.code == 2
    shutil.rmtree(app.root / "lib")
    (app.root / "lib").symlink_to("new")
    assert check(site, f"{app.root}/lib/other.py").kinds == {"lib": "type"}


def test_a_link_on_the_way_is_told_whatever_other_trees_know(site: Site, app: Tree) -> None:
    """Taken from each tree's root: `both.py` is in the other tree, but nobody went there through a link."""
    write_files(app.root, {"both.py": "x\n"})
    linked(site, app)
    other = second_tree(site)
    assert problems(site, "deep/../both.py") == ["path:behind"]
    assert check(site, f"{app.root}/deep/../../other/both.py").document["verdict"] == "unknown"
    # The other tree has a directory of that name, which need not be the one that was meant.
    write_files(other.root, {"deep/x.py": "x\n"})
    site.release(other, release="v2", sequence=2)
    assert problems(site, "deep/") == ["path:behind"]
    # What else was asked for is still judged.
    found = check(site, "deep/", app.root, cwd="/")
    assert found.kinds == {"lib/deep/er/module.py": "modified"}


def same_layout(site: Site, app: Tree, *options: str) -> Tree:
    """A tree with the files of `app`, as where two releases stand side by side."""
    other = site.tree("other")
    shutil.copytree(app.root, other.root, symlinks=True, dirs_exist_ok=True)
    site.release(other, *options)
    return other


def test_a_path_that_was_written_out_is_no_guess(site: Site, app: Tree) -> None:
    other = same_layout(site, app)
    write_files(other.root, {"extra.py": "x\n"})
    site.release(other, release="v2", sequence=2)
    assert check(site, f"{other.root}/extra.py").document["verdict"] == "clean"
    assert problems(site, f"{app.root}/extra.py", f"{other.root}/extra.py") == ["path:unknown"]
    assert problems(site, "extra.py", f"{other.root}/extra.py", cwd=app.root) == ["path:unknown"]
    # Another PATH that is a guess says nothing of one that is none.
    assert problems(site, "extra.py", f"{app.root}/extra.py") == ["path:unknown"]


def test_a_path_that_cannot_be_judged_in_one_tree_may_be_meant_for_it(site: Site, app: Tree) -> None:
    """The other tree has a file there that is as it was released."""
    other = same_layout(site, app)
    write_files(other.root, {"conf/db": "x\n", "plug/x.py": "x\n"})
    site.release(other, release="v2", sequence=2)
    write_files(site.directory, {"elsewhere/db": "edited\n"})
    (app.root / "conf").symlink_to(site.directory / "elsewhere")
    site.release(app, release="v2", sequence=2)
    for paths in ([f"{app.root}/conf/db", f"{other.root}/conf/db"], ["conf/db"]):
        assert problems(site, *paths) == ["path:behind"]


def test_drift_around_a_wrong_guess_is_told(site: Site, app: Tree) -> None:
    """Nothing is left of the directory, nor of what may change in it."""
    write_files(app.root, {"var/keep": "x\n"})
    site.release(app, "--mutable=var/session-*")
    other = same_layout(site, app, "--mutable=var/session-*")
    write_files(other.root, {"var/session-1": "x\n"})
    assert [tree["name"] for tree in check(site, "var/session-1", cwd="/").document["trees"]] == ["other"]
    shutil.rmtree(app.root / "var")
    for paths in ([f"{app.root}/var/session-1", f"{other.root}/var/session-1"], ["var/session-1"]):
        assert check(site, *paths, cwd="/").kinds == {"var": "missing"}


@pytest.mark.parametrize("above", ["lib", ".", "lib/deep"])
def test_a_path_below_another_one_is_judged_too(site: Site, app: Tree, above: str) -> None:
    (app.root / "lib" / "deep" / "by-link").symlink_to("/etc")
    site.release(app)
    for path, problem in {"typo.py": "path:unknown", "by-link/passwd": "path:behind", "er": ""}.items():
        expected = [problem] if problem else []
        assert problems(site, above, f"lib/deep/{path}", cwd=app.root) == expected
        assert problems(site, f"lib/deep/{path}", above, cwd=app.root) == expected


def test_a_path_that_is_too_long_is_not_clean(site: Site, app: Tree) -> None:
    result = site.check("a/" * 2040 + "b", cwd="/")
    assert result.code == 1
    assert "CLEAN" not in result.out


@pytest.mark.parametrize("path", ["a" * 256, f"lib/{'a' * 256}", f"{'a' * 256}/b"])
def test_a_name_that_is_too_long_is_not_clean(site: Site, app: Tree, path: str) -> None:
    write_files(app.root, {"settings.py": "edited\n"})
    for one, cwd in ((f"{app.root}/{path}", "/"), (path, app.root), (path, "/")):
        assert problems(site, one, cwd=cwd) == ["path:unknown"]
        assert problems(site, f"{app.root}/lib", one, cwd=cwd) == ["path:unknown"]
        assert f"driftd: app: {one}: File name too long\n" == site.check(one, cwd=cwd).err
    explained = driftd(
        "explain", "--config", site.write_config(), f"{app.root}/{path}", env=environment(**site.directories())
    )
    assert explained.code == 1 and "File name too long" in explained.out
    assert check(site, f"{app.root}/{path}", app.root).kinds == {"settings.py": "modified"}


class TestRootsAndManifestsThatGoUpFromALink:
    """They are the files that the kernel opens, and not those that the names seem to say."""

    @pytest.fixture
    def link(self, site: Site, app: Tree) -> Path:
        """Beside the manifest and the root; above what it leads to there is neither."""
        write_files(site.directory / "other", {"evil.py": "x\n", "inner/file": "x\n"})
        for directory in (app.root, app.manifest.parent):
            (directory / "link").symlink_to(site.directory / "other" / "inner")
        site.release(app)
        return app.root / "link"

    def test_a_root(self, site: Site, app: Tree, link: Path) -> None:
        other = site.directory / "other"
        site.check_free(app).expect(CLEAN)
        for root in (f"{link}/..", f"{link}/../", f"{link}/../.", f"{link}/../inner/.."):
            shown = site.check_free(replace(app, root=root), "--porcelain").expect(DRIFT)
            assert f"{other}/evil.py" in shown.out, str(shown)
        for root in (f"{link}/../../srv/app", f"{app.root}/lib/..", f"{app.root}/lib/../../app/."):
            found = parse(site.check_free(replace(app, root=root), "--json"))
            assert found.document["trees"][0]["root"] == str(app.root), str(found.result)
            found.result.expect(CLEAN)
        (other / "app").symlink_to(app.root)
        found = parse(site.check_free(replace(app, root=f"{link}/../app"), "--json"))
        assert found.document["trees"][0]["root"] == f"{other}/app", "a link's own name is kept"
        found.result.expect(CLEAN)

    def test_a_root_from_where_one_stands(self, site: Site, app: Tree, link: Path) -> None:
        site.check_free(replace(app, root=".."), cwd=app.root / "lib").expect(CLEAN)
        site.check_free(replace(app, root=".."), cwd=link).expect(DRIFT)
        site.check_free(replace(app, root="link/.."), cwd=app.root).expect(DRIFT)

    def test_a_root_by_way_of_nothing(self, site: Site, app: Tree, link: Path) -> None:
        shown = site.check_free(replace(app, root=f"{app.root}/none/..")).expect(COULD_NOT_JUDGE)
        assert f"{app.root}/none/..: No such file or directory" in shown.err, str(shown)

    def test_a_manifest(self, site: Site, app: Tree, link: Path) -> None:
        beside = app.manifest.parent / "link"
        shown = site.check_free(replace(app, manifest=f"{beside}/../{app.manifest.name}")).expect(COULD_NOT_JUDGE)
        assert f"{site.directory}/other/{app.manifest.name}: No such file" in shown.err, str(shown)
        site.check_free(replace(app, manifest=f"{beside}/../../manifests/{app.manifest.name}")).expect(CLEAN)

    def test_in_a_configuration(self, site: Site, app: Tree, link: Path) -> None:
        site.trees["app"] = replace(app, root=f"{link}/..")
        assert check(site).kinds["evil.py"] == "added"
        site.trees["app"] = replace(app, root=f"{link}/../../srv/app")
        assert check(site).document["verdict"] == "clean"
        site.trees["app"] = replace(app, manifest=f"{app.manifest.parent}/link/../{app.manifest.name}")
        assert check(site).document["verdict"] == "unknown"
