"""From one real release to the next, in every way that a deploy tool does it: what is said at each moment."""

import os
import re
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.checks import check
from support.daemon import Daemon
from support.marks import needs_root
from support.metrics import Page
from support.programs import CLEAN, DRIFT, succeed
from support.release import build, publish, sign
from support.releases import two_releases
from support.services import RULES, Alertmanager, Prometheus
from support.site import Site, Tree
from support.waiting import wait_until

pytestmark = needs_root

SETTLED_SECONDS = 30.0


@pytest.fixture(scope="session")
def releases() -> tuple[Path, Path]:
    return two_releases()


@dataclass
class Deployment:
    """A host with v1 deployed, and both releases at hand to deploy from."""

    site: Site
    tree: Tree
    old: Path
    new: Path

    def stage(self, source: Path, release: str, sequence: int, directory: Path | None = None) -> Path:
        """CI's part: a signed manifest, beside which its signature lies."""
        staged = (directory or self.site.directory / "staging") / self.tree.manifest.name
        staged.parent.mkdir(parents=True, exist_ok=True)
        build(source, staged, name=self.tree.name, release=release, sequence=sequence)
        sign(self.site.keys, staged)
        return staged

    def publish(self, source: Path, release: str, sequence: int) -> None:
        publish(self.stage(source, release, sequence), self.tree.manifest)

    def rsync(self, source: Path, *options: str, below: str = "") -> None:
        """Content decides: two releases may have files of the same size and time."""
        arguments = ["rsync", "-a", "--checksum", "--delete", *options]
        succeed([*arguments, f"{source}/{below}", f"{self.tree.root}/{below}"], timeout=120)

    def file_of_both(self) -> str:
        return next(name for name in sorted(os.listdir(self.old)) if (self.old / name).is_file() and (self.new / name).is_file())

    def changed_directory(self) -> str:
        """A directory directly below the root in which the two releases differ, though not the only one."""
        for name in sorted(os.listdir(self.new)):
            here, there = self.old / name, self.new / name
            if not (here.is_dir() and there.is_dir()):
                continue
            if succeed(["rsync", "-nrci", "--delete", f"{there}/", f"{here}/"]).stdout:
                return f"{name}/"
        raise AssertionError("the two releases differ in no directory")


@pytest.fixture
def deployment(site: Site, releases: tuple[Path, Path]) -> Deployment:
    old, new = releases
    tree = site.tree("app")
    deployment = Deployment(site, tree, old, new)
    deployment.rsync(old)
    deployment.publish(old, "v1", 1)
    return deployment


@dataclass
class Watch:
    """What /metrics said of the tree, in order, each state once; the first and the last may have been too short to see."""

    states: list[tuple[str, int]] = field(default_factory=list)

    def verdicts(self) -> set[str]:
        return {verdict for verdict, _ in self.states}


@contextmanager
def watching(daemon: Daemon) -> Iterator[Watch]:
    watch, done = Watch(), threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            page = daemon.metrics()
            state = page.verdict("app"), sum(page.drifted("app").values())
            if not watch.states or watch.states[-1] != state:
                watch.states.append(state)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()


def wait_for(daemon: Daemon, what: str, accept: Callable[[Page], bool], seconds: float = SETTLED_SECONDS) -> None:
    daemon.wait_for_metrics(accept, what, seconds)


def wait_until_in_force(daemon: Daemon, release: str) -> None:
    wait_for(daemon, f"{release} in force", lambda page: bool(page.series("driftd_manifest_info", release=release)))


def wait_until_deployed(daemon: Daemon, release: str) -> None:
    wait_until_in_force(daemon, release)
    wait_for(
        daemon,
        f"{release} deployed, and clean",
        lambda page: page.verdict("app") == "clean" and page.number("driftd_deploy_in_progress", tree="app") == 0,
    )


@dataclass(frozen=True)
class Record:
    path: bytes
    kind: str
    changes: str
    opened_at: int
    notified_at: int | None
    ending: str | None


def history(site: Site) -> list[Record]:
    """As anybody can read it, in the order of opening."""
    with closing(sqlite3.connect(f"file:{site.directory}/state/state.db?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT path, kind, changes, opened_at, notified_at, ending FROM drift ORDER BY id")
        return [Record(*row) for row in rows]


def name_in(root: Path, path: Path) -> bytes:
    return os.fsencode(path.relative_to(root))


def pending(daemon: Daemon) -> int:
    return int(daemon.metrics().number("driftd_deploy_pending_paths", tree="app"))


class TestManifestFirst:
    def test_rsync(self, deployment: Deployment) -> None:
        site, tree = deployment.site, deployment.tree
        with Daemon(site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            with watching(daemon) as watch:
                deployment.publish(deployment.new, "v2", 2)
                wait_until_in_force(daemon, "v2")
                wait_for(daemon, "pending paths", lambda _: pending(daemon) > 0)
                page = daemon.metrics()
                assert page.number("driftd_tree_unknown", tree="app", reason="deploying") == 1
                assert page.number("driftd_deploy_in_progress", tree="app") == 1
                found = check(site)
                report = found.document["trees"][0]
                assert found.document["verdict"] == "unknown" and not found.drift, str(found.result)
                assert report["deploying_from"] == "v1" and report["pending"], str(found.result)
                assert site.check("--strict").code == DRIFT, "asked strictly, what is pending is drift"

                part = deployment.changed_directory()
                before = pending(daemon)
                deployment.rsync(deployment.new, "--bwlimit=2000", below=part)
                wait_for(daemon, "fewer pending paths", lambda _: pending(daemon) < before)
                assert pending(daemon) > 0, f"the releases differ in {part} only"
            assert watch.verdicts() <= {"clean", "unknown"}, watch.states

            edited = tree.root / deployment.file_of_both()
            original = edited.read_bytes()
            edited.write_bytes(original + b"# by hand\n")
            daemon.wait_for_metrics(lambda page: page.drifted("app") == {"modified": 1}, "the edit in its midst")
            assert check(site).kinds == {edited.name: "modified"}
            edited.write_bytes(original)
            daemon.wait_for_metrics(lambda page: not page.drifted("app"), "the edit undone")

            with watching(daemon) as watch:
                deployment.rsync(deployment.new, "--bwlimit=2000")
                wait_until_deployed(daemon, "v2")
            assert watch.verdicts() <= {"clean", "unknown"}, watch.states
            site.check().expect(CLEAN)
            assert b"deploy of v2 is complete" in daemon.log()

    def test_a_restart_in_its_midst_goes_on(self, deployment: Deployment) -> None:
        with Daemon(deployment.site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            deployment.publish(deployment.new, "v2", 2)
            wait_for(daemon, "pending paths", lambda _: pending(daemon) > 0)
        with Daemon(deployment.site) as daemon:
            daemon.wait_ready()
            wait_for(daemon, "pending paths", lambda _: pending(daemon) > 0)
            assert daemon.metrics().verdict("app") == "unknown"
            deployment.rsync(deployment.new, "--inplace")
            wait_until_deployed(daemon, "v2")

    def test_stuck(self, deployment: Deployment) -> None:
        """The window is over and nothing came: the tree is exactly the release before."""
        deployment.tree.settings["deploy_window"] = "3s"
        with Daemon(deployment.site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            deployment.publish(deployment.new, "v2", 2)
            wait_for(daemon, "one finding", lambda page: page.drifted("app") == {"modified": 1})
            assert daemon.metrics().number("driftd_deploy_in_progress", tree="app") == 0
            assert pending(daemon) > 1
            assert b"is exactly v1, expected v2" in daemon.get("/").body
            result = deployment.site.check().expect(DRIFT)
            assert "is exactly v1, expected v2" in result.out and len(result.out.splitlines()) <= 4, str(result)
            assert [finding["changes"] for finding in check(deployment.site).drift] == [["release"]]
            deployment.rsync(deployment.new)
            wait_until_deployed(daemon, "v2")


class TestFlip:
    def test_the_manifest_lies_inside(self, site: Site, releases: tuple[Path, Path]) -> None:
        home = site.directory / "srv"
        current = home / "current"
        tree = site.tree("app", root=current)
        current.rmdir()
        deployment = Deployment(site, tree, *releases)
        tree.manifest = current / ".driftd" / "app.manifest"
        for release, sequence, source in (("v1", 1, deployment.old), ("v2", 2, deployment.new)):
            place = home / release
            shutil.copytree(source, place, symlinks=True)
            deployment.stage(source, release, sequence, place / ".driftd")
        current.symlink_to("v1")
        with Daemon(site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            with watching(daemon) as watch:
                (home / "next").symlink_to("v2")
                os.replace(home / "next", current)
                wait_until_deployed(daemon, "v2")
            assert watch.verdicts() <= {"clean", "unknown"}, watch.states
            site.check().expect(CLEAN)
            # And back, which needs a manifest with a higher sequence.
            (home / "next").symlink_to("v1")
            os.replace(home / "next", current)
            wait_for(
                daemon,
                "the old release refused",
                lambda page: page.value("driftd_manifest_problem", tree="app", reason="replay") == 1,
            )
            assert daemon.metrics().series("driftd_manifest_info", release="v2")
            assert daemon.metrics().verdict("app") != "clean"
            assert "is exactly v1, expected v2" in site.check().expect(DRIFT).out
            deployment.stage(deployment.old, "v1-rollback", 3, home / "v1" / ".driftd")
            wait_until_deployed(daemon, "v1-rollback")
            site.check().expect(CLEAN)


class TestFilesFirst:
    def test_rsync(self, deployment: Deployment) -> None:
        with Daemon(deployment.site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            deployment.rsync(deployment.new, "--inplace")
            wait_for(daemon, "drift at once", lambda page: sum(page.drifted("app").values()) > 1)
            deployment.publish(deployment.new, "v2", 2)
            wait_until_deployed(daemon, "v2")
            log = daemon.log()
            assert b"drift deployed" in log and b"drift resolved" not in log, log.decode()
            deployment.site.check().expect(CLEAN)

    def test_an_edit_that_the_release_does_not_explain_stays(self, deployment: Deployment) -> None:
        with Daemon(deployment.site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            edited = deployment.tree.root / "added_by_hand.py"
            edited.write_text("pass\n")
            daemon.wait_for_drift("app", {"added": 1})
            since = daemon.metrics().number("driftd_oldest_open_drift_timestamp_seconds", tree="app")
            deployment.rsync(deployment.new, "--exclude", edited.name)
            deployment.publish(deployment.new, "v2", 2)
            wait_until_in_force(daemon, "v2")
            wait_for(daemon, "that edit alone", lambda page: page.drifted("app") == {"added": 1})
            assert daemon.metrics().number("driftd_oldest_open_drift_timestamp_seconds", tree="app") == since


    def test_a_deploy_that_is_quick_enough_warns_of_nothing(self, deployment: Deployment) -> None:
        """Metrics show the drift at once; who reads the journal is told of it, but not alarmed."""
        with Daemon(deployment.site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            deployment.rsync(deployment.new)
            wait_for(daemon, "drift at once", lambda page: sum(page.drifted("app").values()) > 1)
            deployment.publish(deployment.new, "v2", 2)
            wait_until_deployed(daemon, "v2")
            log = daemon.log().decode()
            assert "drift seen" in log and "drift deployed" in log, log
            assert "drift opened" not in log, log


class TestHistory:
    """What the state database says of drift, once it is over."""

    def test_how_drift_ended(self, deployment: Deployment) -> None:
        site, root = deployment.site, deployment.tree.root
        deployment.tree.settings["notify_after"] = "1s"
        same, by_hand = root / deployment.file_of_both(), root / "added_by_hand.py"
        with Daemon(site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            original = same.read_bytes()
            same.write_bytes(original + b"# by hand\n")
            daemon.wait_for_drift("app", {"modified": 1})
            wait_until(daemon.log, lambda log: b"drift opened: modified" in log, "the warning")
            same.write_bytes(original)
            daemon.wait_for_drift("app", {})
            record = wait_until(lambda: history(site), lambda seen: seen[-1:] and seen[-1].ending, "its end")[-1]
            assert (record.path, record.kind, record.ending) == (name_in(root, same), "modified", "resolved")
            assert record.changes == "content,size" and record.notified_at

            deployment.rsync(deployment.new, "--inplace")
            wait_for(daemon, "drift at once", lambda page: sum(page.drifted("app").values()) > 1)
            by_hand.write_text("pass\n")
            deployment.publish(deployment.new, "v2", 2)
            wait_until_in_force(daemon, "v2")
            wait_for(daemon, "that edit alone", lambda page: page.drifted("app") == {"added": 1})
            seen = wait_until(
                lambda: history(site), lambda seen: [one.path for one in seen if not one.ending] == [b"added_by_hand.py"],
                "one open record",
            )
            deployed = {one.path for one in seen if one.ending == "deployed"}
            assert len(deployed) > 1 and b"added_by_hand.py" not in deployed
            by_hand.unlink()
            wait_until_deployed(daemon, "v2")
        assert {one.ending for one in history(site)} == {"resolved", "deployed"}

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
    def test_a_restart_keeps_how_old_drift_is(self, deployment: Deployment, how: signal.Signals) -> None:
        site, root = deployment.site, deployment.tree.root
        deployment.tree.settings["notify_after"] = "0s"
        stays, goes = root / "stays.py", root / "goes.py"
        daemon = Daemon(site).start()
        try:
            wait_until_deployed(daemon.wait_ready(), "v1")
            for path in (stays, goes):
                path.write_text("pass\n")
            daemon.wait_for_drift("app", {"added": 2})
            since = {one.path: one.opened_at for one in wait_until(lambda: history(site), lambda seen: len(seen) == 2, "records")}
            wait_until(lambda: history(site), lambda seen: all(one.notified_at for one in seen), "both told")
        finally:
            daemon.send(how)
            daemon.wait(10)
        goes.unlink()
        wait_until(time.time, lambda now: int(now) > max(since.values()), "the next second")
        with Daemon(site) as again:
            wait_until_in_force(again, "v1")
            again.wait_for_drift("app", {"added": 1}, SETTLED_SECONDS)
            oldest = again.metrics().number("driftd_oldest_open_drift_timestamp_seconds", tree="app")
            assert oldest == since[b"stays.py"]
            wait_until(lambda: history(site), lambda seen: sum(not one.ending for one in seen) == 1, "one open record")
            log = again.log().decode()
            assert "drift still there: added stays.py" in log and "drift resolved: added goes.py" in log, log
            assert "drift opened" not in log, "it was told before"

    def test_a_deploy_while_nothing_runs(self, deployment: Deployment) -> None:
        site = deployment.site
        with Daemon(site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            deployment.rsync(deployment.new, "--inplace")
            wait_for(daemon, "drift at once", lambda page: sum(page.drifted("app").values()) > 1)
            wait_until(lambda: history(site), lambda seen: len(seen) > 1, "records")
        deployment.publish(deployment.new, "v2", 2)
        with Daemon(site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v2")
            wait_until(lambda: history(site), lambda seen: all(one.ending for one in seen), "every record closed")
        assert "deployed" in {one.ending for one in history(site)}

    def test_killed_in_the_midst_of_many_writes(self, deployment: Deployment) -> None:
        """Whatever got through, the database is whole, and the next run sees all as it is."""
        site, root = deployment.site, deployment.tree.root
        daemon = Daemon(site).start()
        try:
            wait_until_deployed(daemon.wait_ready(), "v1")
            for number in range(300):
                (root / f"new{number}.py").write_text("pass\n")
            wait_until(lambda: history(site), bool, "the first records")
        finally:
            daemon.send(signal.SIGKILL)
            daemon.wait(10)
        for number in range(0, 300, 2):
            (root / f"new{number}.py").unlink()
        with Daemon(site) as again:
            again.wait_for_drift("app", {"added": 150}, SETTLED_SECONDS)
            expected = {f"new{number}.py".encode() for number in range(1, 300, 2)}
            wait_until(
                lambda: {one.path for one in history(site) if not one.ending},
                lambda paths: paths == expected, "a record of each, and no other open",
            )
            assert again.metrics().series("driftd_rollback_protection", state="ok")

    def test_a_locked_database_holds_up_nothing(self, deployment: Deployment) -> None:
        site, root = deployment.site, deployment.tree.root
        edited = root / "by_hand.py"
        with Daemon(site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            with closing(sqlite3.connect(site.directory / "state" / "state.db", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                edited.write_text("pass\n")
                daemon.wait_for_drift("app", {"added": 1})
                wait_until(daemon.log, lambda log: b"history of drift cannot be kept" in log, "the one complaint")
                edited.unlink()
                daemon.wait_for_drift("app", {})
                edited.write_text("pass\n")
                daemon.wait_for_drift("app", {"added": 1})
            assert daemon.log().count(b"history of drift cannot be kept") == 1
        with Daemon(site) as daemon:
            daemon.wait_for_drift("app", {"added": 1}, SETTLED_SECONDS)
            wait_until(lambda: history(site), lambda seen: [one.path for one in seen] == [b"by_hand.py"], "its record")

    def test_the_first_hosts_have_none(self, deployment: Deployment) -> None:
        """A database of version 1: read by --check as it is, and brought up to date by the daemon."""
        site = deployment.site
        with Daemon(site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
        path = site.directory / "state" / "state.db"
        with closing(sqlite3.connect(path)) as database:
            database.executescript("DROP TABLE drift; DROP TABLE drift_tree_state; DROP TABLE touch; PRAGMA user_version = 1;")
        before = path.read_bytes()
        site.check("--strict").expect(CLEAN)
        assert path.read_bytes() == before
        (deployment.tree.root / "by_hand.py").write_text("pass\n")
        with Daemon(site) as daemon:
            daemon.wait_for_drift("app", {"added": 1}, SETTLED_SECONDS)
            assert daemon.metrics().series("driftd_rollback_protection", state="ok")
            wait_until(lambda: history(site), lambda seen: len(seen) == 1, "a record")
        site.check("--strict").expect(DRIFT)


class TestRollback:
    def test_by_hand_it_is_one_finding(self, deployment: Deployment) -> None:
        with Daemon(deployment.site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            deployment.publish(deployment.new, "v2", 2)
            deployment.rsync(deployment.new)
            wait_until_deployed(daemon, "v2")
            deployment.rsync(deployment.old)
            wait_for(daemon, "many findings", lambda page: sum(page.drifted("app").values()) > 1)
            wait_for(daemon, "then one", lambda page: page.drifted("app") == {"modified": 1})
            assert "is exactly v1, expected v2" in deployment.site.check().expect(DRIFT).out
            # One edit more, and it is no release any more.
            (deployment.tree.root / deployment.file_of_both()).write_text("by hand\n")
            wait_for(daemon, "many again", lambda page: sum(page.drifted("app").values()) > 1)
            assert "is exactly" not in deployment.site.check().expect(DRIFT).out

    def test_signed_in_advance_it_is_a_deploy(self, deployment: Deployment) -> None:
        with Daemon(deployment.site) as daemon:
            wait_until_deployed(daemon.wait_ready(), "v1")
            deployment.publish(deployment.new, "v2", 2)
            deployment.rsync(deployment.new)
            wait_until_deployed(daemon, "v2")
            content = daemon.metrics().series("driftd_manifest_info", release="v2")[0]["content"]
            deployment.publish(deployment.old, "v1-rollback", 3)
            deployment.rsync(deployment.old)
            wait_until_deployed(daemon, "v1-rollback")
            assert daemon.metrics().series("driftd_manifest_info", release="v1-rollback")[0]["content"] != content


def make_package(directory: Path, source: Path, version: str) -> Path:
    root = directory / version
    shutil.copytree(source, root / "opt" / "app", symlinks=True)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(
        f"Package: driftd-test-app\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\n"
        "Description: a release to deploy\n"
    )
    package = directory / f"{version}.deb"
    succeed(["dpkg-deb", "-Znone", "--root-owner-group", "-b", root, package], timeout=120)
    return package


def test_dpkg(site: Site, releases: tuple[Path, Path], workdir: Path) -> None:
    """The real dpkg, in a root of its own; it writes beside and renames, file by file."""
    root = workdir / "host"
    (root / "var/lib/dpkg/updates").mkdir(parents=True)
    (root / "var/lib/dpkg/info").mkdir()
    for name in ("status", "available"):
        (root / "var/lib/dpkg" / name).touch()

    def install(package: Path) -> None:
        succeed(["dpkg", f"--root={root}", "--force-script-chrootless", "--force-unsafe-io", "-i", package], timeout=120)

    packages = [make_package(workdir, source, version) for source, version in zip(releases, ("1", "2"))]
    install(packages[0])
    tree = site.tree("app", root=root / "opt" / "app")
    deployment = Deployment(site, tree, *releases)
    deployment.publish(tree.root, "v1", 1)
    with Daemon(site) as daemon:
        wait_until_deployed(daemon.wait_ready(), "v1")
        deployment.publish(workdir / "2" / "opt" / "app", "v2", 2)
        wait_until_in_force(daemon, "v2")
        with watching(daemon) as watch:
            install(packages[1])
            wait_until_deployed(daemon, "v2")
        assert watch.verdicts() <= {"clean", "unknown"}, watch.states
        site.check().expect(CLEAN)


def patient_rules(directory: Path) -> Path:
    """The shipped rules with a tenth of their patience: they have to see through a deploy that is as much faster."""
    rules = directory / "driftd.rules.yml"
    rules.write_text(re.sub(r"(?m)^(\s*)for: (\d+)m$", lambda found: f"{found[1]}for: {int(found[2]) * 6}s", RULES.read_text()))
    return rules


def test_a_good_deploy_raises_no_alert(deployment: Deployment) -> None:
    site = deployment.site
    with Daemon(site) as daemon, Alertmanager(site.directory) as alertmanager:
        rules = patient_rules(site.directory)
        with Prometheus(site.directory, site.port, alertmanager.port, rules) as prometheus:
            wait_until_deployed(daemon.wait_ready(), "v1")
            prometheus.wait_ready()
            fired: set[str] = set()
            for release, sequence, source, order in (
                ("v2", 2, deployment.new, "manifest first"),
                ("v3", 3, deployment.old, "files first"),
            ):
                staged = deployment.stage(source, release, sequence)
                steps = [lambda: publish(staged, deployment.tree.manifest), lambda: deployment.rsync(source)]
                for step in steps if order == "manifest first" else reversed(steps):
                    step()
                    fired |= set(prometheus.firing())
                wait_until_deployed(daemon, release)
                end = time.monotonic() + 8
                while time.monotonic() < end:
                    fired |= set(prometheus.firing())
                    time.sleep(0.5)
            assert not fired


def test_the_second_of_two_releases_at_once_is_the_one(deployment: Deployment) -> None:
    """v2 is never deployed; v3 follows at once."""
    with Daemon(deployment.site) as daemon:
        wait_until_deployed(daemon.wait_ready(), "v1")
        deployment.publish(deployment.new, "v2", 2)
        wait_until_in_force(daemon, "v2")
        deployment.publish(deployment.old, "v3", 3)
        wait_until_deployed(daemon, "v3")


def test_check_without_state_judges_by_the_new_release_alone(deployment: Deployment) -> None:
    deployment.publish(deployment.new, "v2", 2)
    found = check(deployment.site)
    assert found.document["verdict"] == "drift" and found.document["replay_checked"] is False
    assert found.document["trees"][0]["deploying_from"] is None
