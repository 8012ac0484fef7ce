"""What a host can be talked into: nothing but the newest genuine release of its own product, across restarts."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.checks import check
from support.daemon import Daemon
from support.marks import needs_root
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFT, USAGE, Result, driftd, environment
from support.release import Keys
from support.site import Site, Tree, write_files
from support.waiting import wait_until

pytestmark = needs_root


def contents(directory: Path) -> dict[Path, tuple[bytes, int]]:
    """Every file with its content, and when it was written."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def state_of(site: Site) -> dict[Path, tuple[bytes, int]]:
    """But for the empty file by which the daemon tests its watch."""
    state = contents(site.directory / "state")
    return {path: content for path, content in state.items() if "watch-probe" not in path.parts}


def trust_of(site: Site) -> tuple[list[str], dict[Path, tuple[bytes, int]]]:
    """The same without the history of drift and touches, which is no part of whom a host trusts."""
    with closing(sqlite3.connect(f"file:{site.directory}/state/state.db?mode=ro", uri=True)) as database:
        rows = [line for line in database.iterdump() if not re.match(r"INSERT INTO \"(drift|touch|sqlite_sequence)", line)]
    return rows, contents(site.directory / "state" / "manifests")


def trust_reset(site: Site, *arguments: str) -> Result:
    command = ["trust", "reset", "--config", site.write_config(), *arguments]
    return driftd(*command, env=environment(**site.directories()))


def protection(daemon: Daemon) -> str:
    page = daemon.metrics()
    states = [state for state in ("ok", "new", "lost") if page.number("driftd_rollback_protection", state=state) == 1]
    assert len(states) == 1, states
    return states[0]


def wait_for_problem(daemon: Daemon, reason: str) -> None:
    daemon.wait_for_metrics(
        lambda page: page.value("driftd_manifest_problem", tree="app", reason=reason) == 1, f"problem {reason}", 10
    )


def wait_for_release(daemon: Daemon, release: str) -> None:
    daemon.wait_for_metrics(
        lambda page: page.series("driftd_manifest_info", release=release) != [] and page.verdict("app") == "clean",
        f"{release} in force, and clean",
        15,
    )


@pytest.fixture
def at_v2(site: Site, app: Tree) -> Tree:
    """A host that has accepted v2, whose daemon has ended."""
    site.release(app, release="v2", sequence=2)
    with Daemon(site) as daemon:
        daemon.wait_ready()
        wait_for_release(daemon, "v2")
    return app


def with_database(link: str) -> Callable[[Path], object]:
    def make(state: Path) -> None:
        state.mkdir()
        (state / "state.db").symlink_to(link)

    return make


UNUSABLE_STATES: dict[str, Callable[[Path], object]] = {
    "database loops": with_database("state.db"),
    "database leads nowhere": with_database("none"),
    "database leads nowhere far away": with_database("/nonexistent/state.db"),
    "directory is a file": lambda state: state.write_text(""),
    "directory loops": lambda state: state.symlink_to(state.name),
    "directory leads nowhere": lambda state: state.symlink_to("none"),
}


class TestReplay:
    def test_after_a_restart_and_by_check(self, site: Site, at_v2: Tree) -> None:
        site.check().expect(CLEAN)
        site.release(at_v2, release="v1", sequence=1)
        before = state_of(site)
        result = site.check().expect(COULD_NOT_JUDGE)
        assert "sequence 1 is older than 2" in result.err and "clean" not in result.out.lower(), str(result)
        for _ in range(2):
            with Daemon(site) as daemon:
                daemon.wait_ready()
                wait_for_problem(daemon, "replay")
                page = daemon.metrics()
                assert page.series("driftd_manifest_info", release="v2"), "the last good one stays in force"
                assert page.verdict("app") == "clean"
                assert page.number("driftd_manifest_valid", tree="app") == 0
                assert page.number("driftd_manifest_rejections_total", tree="app") == 1
                assert protection(daemon) == "ok"
            assert state_of(site) == before, "a refusal changes nothing, neither do checks"
        trusted = trust_of(site)
        with Daemon(site) as daemon:
            wait_for_problem(daemon.wait_ready(), "replay")
            write_files(at_v2.root, {"app.py": "edited\n"})
            daemon.wait_for_drift("app", {"modified": 1})
            write_files(at_v2.root, {"app.py": "import settings\nprint(settings.DEBUG)\n"})
            daemon.wait_for_drift("app", {})
        assert trust_of(site) == trusted, "drift goes into the history, and nowhere else"

    def test_equivocation(self, site: Site, at_v2: Tree) -> None:
        write_files(at_v2.root, {"new.py": "pass\n"})
        site.release(at_v2, release="v2", sequence=2)
        found = check(site)
        assert "with other bytes" in found.result.err and found.kinds == {"new.py": "added"}, str(found.result)
        with Daemon(site) as daemon:
            wait_for_problem(daemon.wait_ready(), "equivocation")
            assert daemon.metrics().verdict("app") == "drift"

    def test_a_state_that_is_there_and_cannot_be_relied_on_is_not_overlooked(self, site: Site, at_v2: Tree) -> None:
        state = site.directory / "state" / "state.db"
        site.check().expect(CLEAN)
        # Whoever writes is ended when pages are on the disk already: what was there before is in the journal alone.
        ended_in_the_midst = (
            "import os, sqlite3, sys\n"
            "database = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "database.execute('PRAGMA cache_size = 1')\n"
            "database.execute('BEGIN IMMEDIATE')\n"
            "database.execute('CREATE TABLE more(text)')\n"
            "for _ in range(200): database.execute('INSERT INTO more VALUES (?)', ('x' * 3000,))\n"
            "os._exit(0)\n"
        )
        subprocess.run([sys.executable, "-c", ended_in_the_midst, state], check=True)
        assert state.with_name("state.db-journal").exists()
        before = state.read_bytes()
        found = site.check().expect(COULD_NOT_JUDGE)
        assert "ended in the midst of a change; start it" in found.err, str(found)
        assert state.read_bytes() == before, "a check writes nothing"
        with Daemon(site) as daemon:
            daemon.wait_ready()
            assert protection(daemon) == "ok"
        site.check().expect(CLEAN)
        state.write_bytes(b"garbage" * 1000)
        assert "state.db: " in site.check().expect(COULD_NOT_JUDGE).err

    @pytest.mark.parametrize("case", UNUSABLE_STATES)
    def test_a_state_that_cannot_be_opened_is_not_overlooked(self, site: Site, at_v2: Tree, case: str) -> None:
        site.release(at_v2, release="v1", sequence=1)
        (site.directory / "state").rename(site.directory / "away")
        UNUSABLE_STATES[case](site.directory / "state")
        result = site.check().expect(COULD_NOT_JUDGE)
        assert result.err.startswith(f"driftd: app: {site.directory}/state"), str(result)
        assert len(result.err.splitlines()) == 1, str(result)

    def test_a_state_that_is_not_there_yet_behind_a_link(self, site: Site, app: Tree) -> None:
        (site.directory / "state").rmdir()
        (site.directory / "state").symlink_to("run")
        for directory in ("state", "state/none", "state/none/at/all"):
            site.settings["state_directory"] = str(site.directory / directory)
            assert "replay not checked" in site.check(env=environment()).expect(CLEAN).out

    def test_a_history_that_is_damaged_takes_no_trust_with_it(self, site: Site, at_v2: Tree) -> None:
        state = site.directory / "state" / "state.db"
        with closing(sqlite3.connect(state)) as database:
            page_size = database.execute("PRAGMA page_size").fetchone()[0]
            (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'drift'").fetchone()
        with state.open("r+b") as file:
            file.seek((page - 1) * page_size)
            file.write(b"\xff" * page_size)
        site.check().expect(CLEAN)
        with Daemon(site) as daemon:
            daemon.wait_ready()
            assert protection(daemon) == "ok"
            write_files(at_v2.root, {"app.py": "edited\n"})
            daemon.wait_for_drift("app", {"modified": 1})
            complaint = b"the history of drift cannot be kept"
            wait_until(daemon.log, lambda log: complaint in log, "the history is missed")

    def test_what_cannot_be_checked_is_said(self, site: Site, at_v2: Tree) -> None:
        assert "replay not checked" not in site.check().expect(CLEAN).out
        assert check(site).document["replay_checked"] is True
        assert "replay not checked" in site.check_free(at_v2).expect(CLEAN).out
        hidden = site.check(env=environment(STATE_DIRECTORY="/nonexistent")).expect(CLEAN)
        assert "replay not checked: /nonexistent: No such file or directory" in hidden.out
        site.check("--strict").expect(CLEAN)
        strict = site.check("--strict", env=environment(STATE_DIRECTORY="/nonexistent")).expect(COULD_NOT_JUDGE)
        assert "replay was not checked" in strict.err, str(strict)

    def test_the_configuration_names_the_state(self, site: Site, at_v2: Tree) -> None:
        site.settings["state_directory"] = str(site.directory / "state")
        assert check(site, env=environment()).document["replay_checked"] is True

    def test_check_writes_nothing_beside_the_state(self, site: Site, at_v2: Tree) -> None:
        before = state_of(site)
        with Daemon(site) as daemon:
            daemon.wait_ready()
            for _ in range(3):
                site.check().expect(CLEAN)
        assert state_of(site) == before


    def test_check_finds_drift_from_the_last_good_one(self, site: Site, at_v2: Tree) -> None:
        """Drift beats unknown: what lies on disk is refused, what is in force still says what should be there."""
        site.release(at_v2, release="v1", sequence=1)
        write_files(at_v2.root, {"app.py": "edited\n"})
        result = site.check().expect(DRIFT)
        assert "app.py" in result.out and "sequence 1 is older than 2" in result.err, str(result)
        assert check(site).kinds == {"app.py": "modified"}


class TestReset:
    def test_takes_what_lies_on_disk(self, site: Site, at_v2: Tree) -> None:
        site.release(at_v2, release="v1", sequence=1)
        with Daemon(site) as daemon:
            wait_for_problem(daemon.wait_ready(), "replay")
            done = trust_reset(site, "--tree", "app", "--reason", "v2 was a mistake").expect(0)
            assert "app" in done.out
            wait_for_release(daemon, "v1")
        shown = site.check().expect(CLEAN).out
        assert "trust was reset" in shown and "v2 was a mistake" in shown
        assert check(site).document["trees"][0]["trust_reset"]["reason"] == "v2 was a mistake"
        site.release(at_v2, release="v0", sequence=0)
        site.check().expect(COULD_NOT_JUDGE)

    @pytest.mark.parametrize("arguments", [[], ["--tree", "app"], ["--tree", "other", "--reason", "x"], ["--tree", "app", "--reason", ""]])
    def test_wrong_usage(self, site: Site, at_v2: Tree, arguments: list[str]) -> None:
        before = state_of(site)
        result = trust_reset(site, *arguments).expect(USAGE)
        assert len(result.err.splitlines()) == 1, str(result)
        assert state_of(site) == before


class TestState:
    def test_new_then_ok(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            assert protection(daemon) == "new"
        with Daemon(site) as daemon:
            daemon.wait_ready()
            assert protection(daemon) == "ok"

    def test_lost_shows_and_the_host_is_watched_all_the_same(self, site: Site, at_v2: Tree) -> None:
        (site.directory / "state" / "state.db").write_bytes(b"garbage" * 1000)
        with Daemon(site) as daemon:
            daemon.wait_ready()
            assert protection(daemon) == "lost"
            assert b"rollback protection is lost" in daemon.log()
            write_files(at_v2.root, {"app.py": "edited\n"})
            daemon.wait_for_drift("app", {"modified": 1})
        assert "replay not checked" in site.check().expect(DRIFT).out
        said = trust_reset(site, "--tree", "app", "--reason", "the disk was full").expect(0)
        assert "restart the daemon" in said.err
        with Daemon(site) as daemon:
            daemon.wait_ready()
            assert protection(daemon) == "new"
        with Daemon(site) as daemon:
            daemon.wait_ready()
            assert protection(daemon) == "ok"

    def test_only_root_reads_it(self, site: Site, at_v2: Tree) -> None:
        site.settings["state_directory"] = str(site.directory / "fresh")
        with Daemon(site) as daemon:
            daemon.wait_ready()
        for path in [site.directory / "fresh", *(site.directory / "fresh").rglob("*")]:
            assert path.stat().st_mode & 0o077 == 0, path

    def test_kept_manifests_are_verified_by_stock_tools(self, site: Site, at_v2: Tree) -> None:
        kept = sorted((site.directory / "state" / "manifests").glob("app@*.manifest"))
        assert len(kept) == 1
        for manifest in kept:
            result = driftd("check", "--root", at_v2.root, "--manifest", manifest, "--trust", site.keys.public)
            result.expect(CLEAN)


class TestRevocation:
    def revoke(self, site: Site, keys: Keys) -> None:
        revoked = site.trust_directory / "revoked"
        revoked.write_text(f"{keys.id}\n")
        revoked.chmod(0o644)

    def test_a_release_in_force_proves_nothing_any_more(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            wait_for_release(daemon, "v1")
            fresh = site.trusted_key("fresh")
            self.revoke(site, site.keys)
            daemon.wait_for_metrics(
                lambda page: page.value("driftd_tree_unknown", tree="app", reason="key_revoked") == 1
                and page.verdict("app") == "unknown",
                "unknown: key_revoked",
                10,
            )
            site.check().expect(COULD_NOT_JUDGE)
            site.release(app, release="v2", sequence=2, keys=fresh)
            wait_for_release(daemon, "v2")

    def test_a_leaked_key_with_a_huge_sequence(self, site: Site, app: Tree) -> None:
        leaked = site.trusted_key("leaked")
        with Daemon(site) as daemon:
            daemon.wait_ready()
            site.release(app, release="evil", sequence=2**64 - 1, keys=leaked)
            wait_for_release(daemon, "evil")
            site.release(app, release="v2", sequence=2)
            wait_for_problem(daemon, "replay")
            self.revoke(site, leaked)
            wait_for_release(daemon, "v2")
            site.check().expect(CLEAN)


def test_a_second_tree_of_the_same_product_has_a_ratchet_of_its_own(site: Site, at_v2: Tree) -> None:
    """The blue one is not locked out of a release because the green one has a later one."""
    other = site.tree("green", manifest_name="app")
    write_files(other.root, {"app.py": "the same product\n"})
    site.release(other, name="app", release="v1", sequence=1)
    with Daemon(site) as daemon:
        daemon.wait_ready()
        daemon.wait_for_metrics(lambda page: page.verdict("green") == "clean", "clean", 10)
    assert os.path.exists(site.directory / "state" / "state.db")
