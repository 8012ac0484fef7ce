"""A file system that hangs: its tree is unverified (stalled), and nothing else is held up."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.hanging_fs import HangingMount, hanging_mount
from support.marks import needs_root
from support.programs import COULD_NOT_JUDGE, DRIFT, DRIFTD, driftd, environment
from support.process import Process
from support.site import Site, Tree, small_application, write_files
from support.waiting import wait_until

pytestmark = needs_root

# What the contract grants, and what a look every second and a slow machine add.
STALLED_SECONDS = 30
SLACK_SECONDS = 20


@pytest.fixture
def remote(site: Site, app: Tree, workdir: Path) -> Iterator[tuple[Tree, HangingMount, Path]]:
    """A tree of the same host as `app`, on a mount that may hang, and where its files really are. Its name comes first,
    so that all that takes the trees in turn meets it first."""
    source = small_application(workdir / "remote")
    with hanging_mount(source, workdir / "mnt") as mount:
        tree = site.tree("a-remote", workdir / "mnt", quick_scan="1s")
        site.release(tree)
        yield tree, mount, source


def test_the_daemon_goes_on(site: Site, app: Tree, remote: tuple[Tree, HangingMount, Path]) -> None:
    tree, mount, source = remote
    with Daemon(site) as daemon:
        daemon.wait_ready()
        for name in ("app", "a-remote"):
            daemon.wait_for_drift(name, {}, 20)
        assert daemon.metrics().value("driftd_unverified_paths", tree="a-remote", reason="stalled") is None
        mount.hang()
        # The other tree, before it is known that something hangs, and after.
        (app.root / "app.py").write_text("edited\n")
        daemon.wait_for_drift("app", {"modified": 1})
        daemon.wait_for_metrics(
            lambda page: page.value("driftd_unverified_paths", tree="a-remote", reason="stalled") == 1,
            "the tree is stalled",
            STALLED_SECONDS + SLACK_SECONDS,
        )
        page = daemon.metrics()
        assert page.verdict("a-remote") == "unknown"
        assert page.verdict("app") == "drift"
        write_files(app.root, {"lib/new.py": "x\n"})
        daemon.wait_for_drift("app", {"modified": 1, "added": 1})
        # A reload works, and what it brings is scanned.
        site.release(site.tree("late", small_application(site.directory / "late")))
        site.write_config()
        daemon.send(signal.SIGHUP)
        daemon.wait_for_metrics(lambda page: page.verdict("late") == "clean", "the new tree is clean", 20)
        # What happened meanwhile is found when it answers again, and until then nothing is called clean.
        (source / "settings.py").write_text("DEBUG = True\n")
        mount.answer()
        seen = set()
        wait_until(
            lambda: seen.add(daemon.metrics().verdict("a-remote")) or seen,
            lambda verdicts: "drift" in verdicts,
            "the edit is found",
            SLACK_SECONDS,
            every=0.01,
        )
        assert seen <= {"unknown", "drift"}
        daemon.wait_for_metrics(
            lambda page: page.value("driftd_unverified_paths", tree="a-remote", reason="stalled") == 0, "no stall is left"
        )
        assert b"answers again" in daemon.log()


def test_a_scan_that_hangs_gives_up_its_turn(site: Site, app: Tree, remote: tuple[Tree, HangingMount, Path]) -> None:
    _, mount, _ = remote
    mount.hang("reads")
    with Daemon(site) as daemon:
        daemon.wait_for_drift("app", {}, 20)
        assert daemon.metrics().verdict("a-remote") == "unknown"
        mount.wait_until_somebody_waits()
        # Reads of content let go of a thread that is to end, so that even the process goes at once.
        begin = time.monotonic()
        daemon.stop_in_time()
        assert time.monotonic() - begin < 3
        assert b"does not answer" in daemon.log()


def test_a_tree_that_hangs_can_be_taken_out(site: Site, app: Tree, remote: tuple[Tree, HangingMount, Path]) -> None:
    _, mount, _ = remote
    with Daemon(site) as daemon:
        daemon.wait_ready()
        daemon.wait_for_drift("a-remote", {}, 20)
        mount.hang()
        time.sleep(2)
        del site.trees["a-remote"]
        site.write_config()
        daemon.send(signal.SIGHUP)
        daemon.wait_for_metrics(lambda page: not page.series("driftd_tree_verdict", tree="a-remote"), "it is gone", 20)
        (app.root / "app.py").write_text("edited\n")
        daemon.wait_for_drift("app", {"modified": 1})
        mount.answer()


def test_a_check_reports_what_it_can(site: Site, app: Tree, remote: tuple[Tree, HangingMount, Path]) -> None:
    _, mount, _ = remote
    (app.root / "app.py").write_text("edited\n")
    mount.hang("reads")
    command = [DRIFTD, "--check", "--config", site.write_config(), "--json"]
    output = site.directory / "check.json"
    begin = time.monotonic()
    with Process(command, output, environment(**site.directories())) as check:
        code = check.wait(STALLED_SECONDS + SLACK_SECONDS)
        taken = time.monotonic() - begin
    assert taken >= STALLED_SECONDS
    assert code == 2
    found = json.loads(output.read_text())
    trees = {one["name"]: one for one in found["trees"]}
    assert trees["a-remote"]["verdict"] == "unknown"
    assert [(one["path"], one["reason"]) for one in trees["a-remote"]["unverified"]] == [(".", "stalled")]
    assert trees["app"]["verdict"] == "drift"
    # A tree that does not hang is not held up by one that does.
    begin = time.monotonic()
    assert site.check("--tree", "app").code == 2
    assert time.monotonic() - begin < 20


def put_manifest_inside(tree: Tree, source: Path) -> None:
    (source / ".driftd").mkdir()
    for file in (tree.manifest, tree.signature):
        shutil.copy(file, source / ".driftd" / file.name)
    tree.manifest = tree.root / ".driftd" / tree.manifest.name


def test_a_manifest_that_hangs_while_it_is_read(
    site: Site, app: Tree, remote: tuple[Tree, HangingMount, Path]
) -> None:
    """An open file that hangs must not be met by other trees' threads, as where they close copies of descriptors."""
    tree, mount, source = remote
    put_manifest_inside(tree, source)
    app.settings["quick_scan"] = "1s"
    mount.hang("reads")
    with Daemon(site) as daemon:
        daemon.wait_for_drift("app", {}, 20)
        assert daemon.metrics().verdict("a-remote") == "unknown"
        mount.hang()

        def scans() -> float:
            return daemon.metrics().number("driftd_scans_total", tree="app", type="quick")

        before = scans()
        wait_until(scans, lambda now: now >= before + 3, "the other tree is scanned", 20)
        (app.root / "app.py").write_text("edited\n")
        daemon.wait_for_drift("app", {"modified": 1})
        mount.answer()


def test_paths_in_a_tree_that_hangs(site: Site, app: Tree, remote: tuple[Tree, HangingMount, Path]) -> None:
    tree, mount, _ = remote
    mount.hang("reads")
    config = site.write_config()
    path = tree.root / "app.py"
    outputs = {name: site.directory / name for name in ("json", "explained")}
    commands = {
        "json": [DRIFTD, "--check", "--config", config, "--json", path],
        "explained": [DRIFTD, "explain", "--config", config, path],
    }
    environ = environment(**site.directories())
    with ExitStack() as stack:
        running = [
            stack.enter_context(Process(command, outputs[name], environ)) for name, command in commands.items()
        ]
        for output, end in ((outputs["json"], b"}\n"), (outputs["explained"], b"app.py\n")):
            wait_until(output.read_bytes, lambda text: text.endswith(end), f"{output}", STALLED_SECONDS + SLACK_SECONDS)
        mount.answer()
        assert [one.wait(10) for one in running] == [1, 1]
    unverified = json.loads(outputs["json"].read_text())["trees"][0]["unverified"]
    assert [(one["path"], one["reason"]) for one in unverified] == [("app.py", "stalled")]
    assert "its file system does not answer" in outputs["explained"].read_text()
    assert "as expected" not in outputs["explained"].read_text()


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_a_check_of_a_tree_that_does_not_answer_at_all(
    site: Site, app: Tree, remote: tuple[Tree, HangingMount, Path], where: str
) -> None:
    """The process ends, though the file system does not let go of whoever asks it."""
    tree, mount, source = remote
    if where == "inside":
        put_manifest_inside(tree, source)
        site.check().expect(0)
    mount.hang()
    begin = time.monotonic()
    result = site.check(timeout=STALLED_SECONDS + SLACK_SECONDS).expect(1)
    assert time.monotonic() - begin >= STALLED_SECONDS
    assert "its file system has not answered for 30 s" in result.err
    assert "CLEAN  12 entries" in result.out
    # What is asked for in another tree is not held up.
    site.check("--tree", "app", timeout=20).expect(0)
    site.check("--tree", "app", "lib/util.py", timeout=20).expect(0)


def test_a_check_without_configuration_of_what_does_not_answer(
    site: Site, app: Tree, remote: tuple[Tree, HangingMount, Path]
) -> None:
    tree, mount, source = remote
    put_manifest_inside(tree, source)
    mount.hang()
    result = site.check_free(tree, "--json", timeout=2 * STALLED_SECONDS + SLACK_SECONDS).expect(1)
    assert result.json()["trees"][0]["problems"][0]["reason"] == "stalled"


# ---- what is beside the trees, and hangs


@dataclass(frozen=True)
class Beside:
    """All that a check needs but the tree, on a mount that may hang, and where it really lies."""

    mount: HangingMount
    source: Path
    config: Path

    def at(self, name: str) -> Path:
        return self.mount.mount / name


@pytest.fixture
def beside(site: Site, app: Tree, workdir: Path) -> Iterator[Beside]:
    source = site.directory / "beside"
    for name in ("state", "trust.d"):
        (source / name).mkdir(mode=0o755, parents=True)
    with hanging_mount(source, workdir / "mnt") as mount:
        shutil.copy(site.keys.public, source / "trust.d")
        shutil.copy(site.keys.public, source / "key.pub")
        for file in (app.manifest, app.signature):
            shutil.copy(file, source / file.name)
        there = Beside(mount, source, site.write_config())
        shutil.copy(there.config, source / "driftd.yaml")
        site.settings["state_directory"] = str(source / "state")
        reset = ["trust", "reset", "--tree", "app", "--reason", "makes it", "--config", site.write_config()]
        driftd(*reset).expect(0)
        yield there


def commands_that_meet(site: Site, app: Tree, beside: Beside) -> dict[str, tuple[list[str | Path], Path, int]]:
    """Each with the path that hangs for it, and the exit code that it has then."""
    configs = {}
    for name, settings in {
        "state": {"state_directory": str(beside.at("state"))},
        "trust": {"trust": {"directories": [str(site.trust_directory), str(beside.at("trust.d"))]}},
        "manifest": {"trees": [{**app.entry(), "manifest": str(beside.at("app.manifest"))}]},
    }.items():
        configs[name] = site.directory / f"{name}.yaml"
        configs[name].write_text(json.dumps({**site.configuration(), "state_directory": "/nowhere", **settings}))
    free = ["check", "--root", app.root, "--manifest"]
    hung_config = ["--config", beside.at("driftd.yaml")]
    return {
        "key": ([*free, app.manifest, "--trust", beside.at("key.pub")], beside.at("key.pub"), COULD_NOT_JUDGE),
        "manifest": (
            [*free, beside.at("app.manifest"), "--trust", site.keys.public],
            beside.at("app.manifest"),
            COULD_NOT_JUDGE,
        ),
        "configured manifest": (
            ["check", "--config", configs["manifest"]],
            beside.at("app.manifest"),
            COULD_NOT_JUDGE,
        ),
        "state": (["check", "--config", configs["state"]], beside.at("state"), DRIFT),
        "trust": (["check", "--config", configs["trust"]], beside.at("trust.d"), COULD_NOT_JUDGE),
        "config": (["check", *hung_config], beside.at("driftd.yaml"), COULD_NOT_JUDGE),
        "explain": (["explain", *hung_config, "app.py"], beside.at("driftd.yaml"), COULD_NOT_JUDGE),
        "status": (["status", *hung_config], beside.at("driftd.yaml"), COULD_NOT_JUDGE),
        "config check": (["config", "check", *hung_config], beside.at("driftd.yaml"), COULD_NOT_JUDGE),
        "nagios": (["check", *hung_config, "--nagios"], beside.at("driftd.yaml"), 3),
    }


@pytest.mark.parametrize("kind", ["all", "reads"])
def test_a_check_names_what_does_not_answer_and_ends(site: Site, app: Tree, beside: Beside, kind: str) -> None:
    (app.root / "app.py").write_text("edited\n")
    commands = commands_that_meet(site, app, beside)
    beside.mount.hang(kind)
    begin = time.monotonic()
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(Process([DRIFTD, *words], site.directory / f"{name}.log", environment()))
            for name, (words, _, _) in commands.items()
        }
        codes = {name: one.wait(STALLED_SECONDS + SLACK_SECONDS) for name, one in running.items()}
        assert time.monotonic() - begin >= STALLED_SECONDS
    said = {name: (site.directory / f"{name}.log").read_text() for name in commands}
    assert codes == {name: code for name, (_, _, code) in commands.items()}
    for name, (_, path, _) in commands.items():
        blamed = f"{path}: its file system has not answered for 30 s"
        assert blamed in said[name], f"{name}: {said[name]}"
        assert said[name].count("has not answered") == said[name].count(blamed), f"{name}: {said[name]}"
    assert "modified  app.py" in said["state"]


def test_a_manifest_that_is_read_slowly_is_read(site: Site, workdir: Path) -> None:
    """For longer than what hangs is given."""
    app = site.tree("app")
    write_files(app.root, {f"{number:0240}": "" for number in range(6500)})
    site.release(app)
    assert app.manifest.stat().st_size > 16 * 128 * 1024
    with hanging_mount(site.directory / "manifests", workdir / "mnt") as mount:
        app.manifest = workdir / "mnt" / app.manifest.name
        mount.hang("slowly")
        begin = time.monotonic()
        site.check_free(app, timeout=300).expect(0)
        assert time.monotonic() - begin > STALLED_SECONDS, "that was no slow file system"
