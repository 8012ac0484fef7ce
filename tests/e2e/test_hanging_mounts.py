"""A mount in a tree that hangs already: what it covers is unverified, and nothing else is held up by it."""

import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.checks import Found, check
from support.daemon import Daemon
from support.hanging_fs import HangingMount, hanging_mount
from support.marks import needs_root
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFT, Result, driftd, environment, succeed
from support.site import Site, Tree, small_application, write_files

pytestmark = needs_root

# Less than what hangs is given: nobody may wait for it.
SOON = 25


@pytest.fixture
def other(site: Site) -> Tree:
    """A tree of the same host whose file system answers."""
    tree = site.tree("other", small_application(site.directory / "other"))
    site.release(tree)
    return tree


@pytest.fixture
def hanging(app: Tree, workdir: Path) -> Iterator[HangingMount]:
    """Over a directory of the tree that no entry lists."""
    source = workdir / "elsewhere"
    write_files(source, {"file": "x\n"})
    with hanging_mount(source, app.root / "hung", workdir / "switch") as mount:
        mount.hang()
        yield mount


@pytest.fixture
def over_file(app: Tree, workdir: Path) -> Iterator[HangingMount]:
    """Over a listed file."""
    source = small_application(workdir / "elsewhere")
    with ExitStack() as stack:
        mount = stack.enter_context(hanging_mount(source, workdir / "mnt"))
        succeed(["mount", "--bind", workdir / "mnt" / "app.py", app.root / "app.py"])
        stack.callback(subprocess.run, ["umount", "--lazy", app.root / "app.py"], check=False)
        mount.hang()
        yield mount


def explain(site: Site, *paths: str | Path, **how) -> Result:
    how.setdefault("timeout", SOON)
    how.setdefault("env", environment(**site.directories()))
    return driftd("explain", "--config", site.write_config(), *paths, **how)


def at_once(site: Site, *commands: list[str | Path]) -> list[Result]:
    """All of them, which have to wait for what hangs, and end."""
    config = site.write_config()
    env = environment(**site.directories())

    def run(command: list[str | Path]) -> Result:
        return driftd(*command, "--config", config, env=env, timeout=60)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(run, commands))


def unverified(found: Found) -> list[tuple[str, str]]:
    return [(item["path"], item["reason"]) for item in found.unverified]


def wait_for_mount(daemon: Daemon) -> None:
    daemon.wait_for_metrics(
        lambda page: page.value("driftd_unverified_paths", tree="app", reason="mount") == 1, "the mount is told", SOON
    )


def assert_only_that(daemon: Daemon, app: Tree, edited: str) -> None:
    """An edit beside the mount is found, by scans too, and nothing ever stalls."""
    write_files(app.root, {edited: "edited\n"})
    daemon.wait_for_metrics(lambda page: page.drifted("app") == {"modified": 1}, "the edit is found", SOON)

    def scans() -> float:
        return daemon.metrics().number("driftd_scans_total", tree="app", type="quick")

    before = scans()
    daemon.wait_for_metrics(lambda page: scans() >= before + 3, "it is scanned", SOON)
    page = daemon.metrics()
    assert page.verdict("app") == "drift"
    assert page.value("driftd_unverified_paths", tree="app", reason="mount") == 1
    assert not page.value("driftd_unverified_paths", tree="app", reason="stalled")


def test_a_check(site: Site, app: Tree, other: Tree, hanging: HangingMount) -> None:
    found = check(site, timeout=SOON)
    assert found.document["verdict"] == "unknown"
    assert (found.kinds, unverified(found)) == ({}, [("hung", "mount")])
    assert [tree["verdict"] for tree in found.document["trees"]] == ["unknown", "clean"]
    write_files(app.root, {"lib/util.py": "edited\n"})
    found = check(site, timeout=SOON)
    assert (found.kinds, unverified(found)) == ({"lib/util.py": "modified"}, [("hung", "mount")])


def test_what_is_said_of_it_is_what_is_said_once_it_answers(site: Site, app: Tree, hanging: HangingMount) -> None:
    answers = {}
    for path in ("hung", "hung/file", "hung/none", "hung/."):
        answers[path] = explain(site, app.root / path).expect(COULD_NOT_JUDGE)
        assert "something is mounted here" in answers[path].out
    hanging.answer()
    for path, before in answers.items():
        if path != "hung/none":
            assert explain(site, app.root / path).expect(COULD_NOT_JUDGE).out == before.out


def test_paths_beside_it_are_explained(site: Site, app: Tree, other: Tree, hanging: HangingMount) -> None:
    write_files(other.root, {"lib/util.py": "edited\n"})
    assert "as expected" in explain(site, app.root / "app.py").expect(CLEAN).out
    assert "as expected" in explain(site, app.root / "hung" / ".." / "app.py").expect(CLEAN).out
    assert "as expected" in explain(site, other.root / "app.py").expect(CLEAN).out
    shown = explain(site, other.root / "lib" / "util.py").expect(DRIFT)
    assert shown.out.startswith(f"{other.root}/lib/util.py  DRIFT")
    # Relative, and so asked of both.
    assert explain(site, "settings.py").expect(CLEAN).out.count("CLEAN") == 2


def test_paths_below_it(site: Site, app: Tree, other: Tree, hanging: HangingMount) -> None:
    found = check(site, app.root / "hung" / "file", other.root / "app.py", timeout=SOON)
    assert unverified(found) == [("hung", "mount")]
    assert {tree["name"]: tree["verdict"] for tree in found.document["trees"]} == {"app": "unknown", "other": "clean"}


def test_where_anything_may_be(site: Site, app: Tree, workdir: Path) -> None:
    site.release(app, "--mutable", "hung/**", "--mutable", "hung", sequence=2)
    (workdir / "elsewhere").mkdir()
    with hanging_mount(workdir / "elsewhere", app.root / "hung", workdir / "switch") as mount:
        mount.hang()
        assert unverified(check(site, timeout=SOON)) == [("hung", "mount")]


def test_a_nested_tree_that_hangs(site: Site, app: Tree, workdir: Path) -> None:
    """The outer one is judged, the command ends."""
    source = small_application(workdir / "elsewhere")
    with hanging_mount(source, app.root / "hung", workdir / "switch") as mount:
        site.release_of(source, site.tree("inner", app.root / "hung"))
        mount.hang()
        whole, outer, inner = at_once(
            site, ["check", "--json"], ["explain", app.root / "app.py"], ["explain", app.root / "hung" / "app.py"]
        )
        verdicts = {tree["name"]: tree["verdict"] for tree in whole.expect(COULD_NOT_JUDGE).json()["trees"]}
        assert verdicts == {"app": "clean", "inner": "unknown"}
        assert "as expected" in outer.expect(CLEAN).out and "inner" not in outer.out
        assert "its file system has not answered for 30 s" in inner.expect(COULD_NOT_JUDGE).out
        assert "tree      inner" in inner.out


def test_a_path_whose_way_hangs(site: Site, app: Tree, other: Tree, workdir: Path) -> None:
    """It is taken as it is written, and what that leads to is judged."""
    (app.root / "away").symlink_to(workdir / "mnt" / "file")
    site.release(app, sequence=2)
    source = workdir / "elsewhere"
    write_files(source, {"file": "x\n"})
    with hanging_mount(source, workdir / "mnt") as mount:
        mount.hang()
        link, nowhere = at_once(site, ["explain", app.root / "away"], ["explain", workdir / "mnt" / "file"])
        assert "as expected" in link.expect(CLEAN).out
        assert f"{workdir}/mnt/file: its file system has not answered for 30 s" in nowhere.expect(COULD_NOT_JUDGE).out


def test_a_path_that_comes_back_from_what_hangs(site: Site, app: Tree, workdir: Path) -> None:
    """The kernel goes by the link, and what it finds there is not what stands in the tree."""
    (app.root / "link").symlink_to(workdir / "mnt")
    site.release(app, sequence=2)
    source = workdir / "elsewhere"
    write_files(source / "x", {"file": "x\n"})
    with hanging_mount(source, workdir / "mnt") as mount:
        mount.hang()
        back, behind = at_once(
            site,
            ["check", "--porcelain", app.root / "link" / "x" / ".." / ".." / "app.py"],
            ["check", "--porcelain", app.root / "link" / "x"],
        )
    assert back.expect(COULD_NOT_JUDGE).out == (
        f"problem\tpath:unknown\t{app.root}/link\nproblem\tpath:unknown\t{app.root}/link/x\n"
    )
    assert f"{app.root}/link/x: its file system does not answer" in back.err
    assert behind.expect(COULD_NOT_JUDGE).out == f"problem\tpath:behind\t{app.root}/link/x\n"


def test_the_daemon_from_the_start(site: Site, app: Tree, hanging: HangingMount) -> None:
    app.settings["quick_scan"] = "1s"
    with Daemon(site) as daemon:
        wait_for_mount(daemon)
        assert daemon.metrics().verdict("app") == "unknown"
        assert_only_that(daemon, app, "lib/util.py")


def test_the_daemon_that_meets_it(site: Site, app: Tree, workdir: Path) -> None:
    app.settings["quick_scan"] = "1s"
    source = workdir / "elsewhere"
    source.mkdir()
    # Listed, or it would be found as added if it is looked at before something is mounted there.
    (app.root / "hung").mkdir()
    site.release(app, sequence=2)
    with Daemon(site) as daemon:
        daemon.wait_for_drift("app", {}, SOON)
        with hanging_mount(source, app.root / "hung", workdir / "switch") as mount:
            mount.hang()
            wait_for_mount(daemon)
            assert_only_that(daemon, app, "lib/util.py")
            daemon.send(signal.SIGHUP)
            time.sleep(2)
            assert not daemon.metrics().value("driftd_unverified_paths", tree="app", reason="stalled")


def test_over_a_listed_file(site: Site, app: Tree, other: Tree, over_file: HangingMount) -> None:
    found = check(site, timeout=SOON)
    assert (found.kinds, unverified(found)) == ({}, [("app.py", "mount")])
    assert "something is mounted here" in explain(site, app.root / "app.py").expect(COULD_NOT_JUDGE).out
    app.settings["quick_scan"] = "1s"
    with Daemon(site) as daemon:
        wait_for_mount(daemon)
        assert_only_that(daemon, app, "lib/util.py")


def test_the_daemon_that_meets_it_over_a_listed_file(site: Site, app: Tree, workdir: Path) -> None:
    """Whose content was found right before, so that a quick scan looks at its attributes alone."""
    app.settings["quick_scan"] = "1s"
    source = small_application(workdir / "elsewhere")
    with hanging_mount(source, workdir / "mnt") as mount, Daemon(site) as daemon:
        daemon.wait_for_drift("app", {}, SOON)
        time.sleep(4)  # by when the files are old enough to be remembered
        succeed(["mount", "--bind", workdir / "mnt" / "app.py", app.root / "app.py"])
        try:
            wait_for_mount(daemon)
            mount.hang()
            assert_only_that(daemon, app, "lib/util.py")
        finally:
            mount.answer()
            subprocess.run(["umount", "--lazy", app.root / "app.py"], check=False)
