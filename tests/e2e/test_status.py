"""`driftd status`: what the running daemon knows, at once, for people and for programs."""

import json
import os
import re
import shlex
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.checks import check
from support.control import all_of, as_nobody, command, connect, status, status_document, tree_of
from support.daemon import Daemon
from support.fanotify import kernel_can_watch
from support.hanging_fs import hanging_mount
from support.hostile_names import NAMES, edit_files, make_tree
from support.json_shape import raw_path
from support.marks import needs_root
from support.process import Process
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFT, DRIFTD, USAGE, Result, environment, run
from support.safe_output import assert_safe
from support.site import Site, Tree, small_application, write_files
from support.status_shape import validate
from support.waiting import wait_until

pytestmark = needs_root

# Added files, each a finding of its own: more than a document lists.
MANY, MOST_LISTED = 12_000, 10_000
# Nothing but holes: it takes no room, and seconds to hash.
SLOW_BYTES = 4 << 30


def rows(result: Result, name: str) -> list[str]:
    return re.findall(rf"(?m)^  {name} +(.*)$", result.out)


def next_line(result: Result) -> str:
    found = re.findall(r"(?m)^Next: (.*)$", result.out)
    assert len(found) == 1 and result.out.endswith(f"Next: {found[0]}\n"), str(result)
    return found[0]


def time_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")


def test_clean(site: Site, app: Tree) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        shown = status(site).expect(CLEAN)
        document = status_document(site)
    entries = tree_of(document)["entries"]
    signed = rf"signed by {site.keys.id[:8]} on \d{{4}}-\d\d-\d\d"
    assert re.match(rf"app  v1  {signed}  CLEAN for \d+ s  {entries} entries\n", shown.out), str(shown)
    assert re.fullmatch(r"full \d+ s ago, next in \d+ h; quick never, next in \d+ min", rows(shown, "scans")[0])
    assert "Next:" not in shown.out and shown.stderr == b"", str(shown)

    assert document["rollback_protection"] == "new" and document["reload_problem"] is None
    now = datetime.now(UTC)
    tree = tree_of(document)
    for moment in (document["now"], document["started_at"], tree["since"], tree["scans"]["full"]["last"]):
        assert abs(now - time_of(moment)) < timedelta(minutes=2)
    # Ten per cent of jitter, so that a fleet does not scan in step.
    due = time_of(tree["scans"]["full"]["next"]) - now
    assert timedelta(hours=21) < due < timedelta(hours=27)
    assert (tree["manifest"]["release"], tree["manifest"]["keys"]) == ("v1", [site.keys.id])
    assert tree["scans"]["quick"]["last"] is None and tree["scans"]["full"]["done"] == 1


def test_drift(site: Site, app: Tree) -> None:
    before = (app.root / "settings.py").stat().st_size
    with Daemon(site) as daemon:
        daemon.wait_ready()
        write_files(app.root, {"settings.py": "DEBUG = True\n"})
        (app.root / "bin" / "run").chmod(0o777)
        daemon.wait_for_drift("app", {"modified": 1, "metadata": 1})
        shown = status(site).expect(DRIFT)
        document = status_document(site)
        # The command that is named works as it stands.
        words = shlex.split(next_line(shown))
        assert words[:4] == ["driftd", "explain", "--config", str(site.config)]
        run([DRIFTD, *words[1:]], env=environment(**site.directories())).expect(DRIFT)
        checked = check(site)
    assert re.search(r"  DRIFT for \d+ s  2 of \d+ entries\n", shown.out), str(shown)
    line = rf"(?m)^  modified  settings\.py  size {before} -> 13, content  seen \d+ s ago, by python3 "
    assert re.search(line, shown.out), str(shown)
    assert re.search(r"(?m)^  metadata  bin/run      mode 0777: world-writable  seen \d+ s ago, by ", shown.out), str(shown)
    assert document["verdict"] == "drift"
    seen = [finding.pop("first_seen") for finding in tree_of(document)["drift"]]
    assert all(abs(datetime.now(UTC) - time_of(moment)) < timedelta(minutes=2) for moment in seen)
    assert tree_of(document)["drift"] == checked.document["trees"][0]["drift"], "a finding reads the same everywhere"


def test_the_age_outlives_a_restart(site: Site, app: Tree) -> None:
    write_files(app.root, {"app.py": "edited\n"})
    seen = []
    for _ in range(2):
        with Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("app", {"modified": 1})
            seen.append(tree_of(status_document(site))["drift"][0]["first_seen"])
        time.sleep(1.1)
    assert seen[0] == seen[1]


def test_hostile_names(site: Site) -> None:
    tree = site.tree("hostile")
    make_tree(tree.root)
    site.release(tree)
    edit_files(tree.root)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("hostile", {"modified": len(NAMES)})
        found = tree_of(status_document(site), "hostile")
        assert sorted(raw_path(one) for one in found["drift"]) == sorted(NAMES)
        raw = command(site, "status", "--json")
        shown = status(site).expect(DRIFT)
    for result in (raw, shown):
        assert_safe(result.stdout, result.command)
    assert len(shown.out.splitlines()) < 50, str(shown)
    assert not re.search(r"(?m)^(driftd_fake|INFO forged|Next: rm|  CLEAN)", shown.out), str(shown)


def test_very_much_drift(site: Site, app: Tree) -> None:
    for number in range(MANY):
        (app.root / "lib" / f"new{number}").touch()
    with Daemon(site) as daemon:
        daemon.wait_ready(60).wait_for_drift("app", {"added": MANY}, 20)
        begin = time.monotonic()
        shown = status(site).expect(DRIFT)
        assert time.monotonic() - begin < 5
        tree = tree_of(status_document(site))
        # A client that takes nothing of its answer holds up nobody.
        with connect(site) as slow:
            slow.sendall(b'{"version":1,"command":"status","json":true}\n')
            for _ in range(5):
                status(site, timeout=5).expect(DRIFT)
    assert tree["cut"] and len(tree["drift"]) == MOST_LISTED and tree["counts"]["drift"] == {"added": MANY}
    assert f"... {MANY} in all, by directory:" in shown.out and len(shown.out.splitlines()) < 40, str(shown)


def test_no_manifest(site: Site, app: Tree) -> None:
    app.signature.unlink()
    with Daemon(site) as daemon:
        daemon.wait_listening().wait_for_metrics(
            lambda page: bool(page.series("driftd_manifest_problem", tree="app")), "the manifest is refused"
        )
        shown = status(site).expect(COULD_NOT_JUDGE)
        tree = tree_of(status_document(site))
    assert re.match(r"app  UNKNOWN for \d+ s\n", shown.out), str(shown)
    assert rows(shown, "unknown") == ["manifest: there is nothing to compare with"]
    assert rows(shown, "refused")[0].startswith("signature: "), str(shown)
    assert rows(shown, "scans") == ["full never; quick never"] and rows(shown, "watch") == ["not yet"]
    assert next_line(shown) == f"put the manifest of app right, then driftd status --config {site.config}"
    assert (tree["unknown"], tree["manifest"], tree["refused"]["reason"]) == (["manifest"], None, "signature")


def test_a_refused_manifest_beside_the_one_in_force(site: Site, app: Tree) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        site.release(app, keys=site.foreign_key("stranger"), release="v2", sequence=2)
        daemon.wait_for_metrics(lambda page: bool(page.series("driftd_manifest_problem", tree="app")), "it is refused")
        shown = status(site).expect(CLEAN)
        assert rows(shown, "refused")[0].startswith("signature: "), str(shown)
        assert tree_of(status_document(site))["refused"]["reason"] == "signature"


def test_the_first_scan_is_under_way(site: Site) -> None:
    """And the answer does not wait for it."""
    slow = site.tree("slow")
    write_files(slow.root, {"huge": ""})
    os.truncate(slow.root / "huge", SLOW_BYTES)
    site.release(slow)
    site.settings["limits"] = {"threads": 1}
    with Daemon(site) as daemon:
        daemon.wait_listening()
        wait_until(lambda: tree_of(status_document(site), "slow"), lambda tree: tree["scanning"], "a scan is under way")
        begin = time.monotonic()
        shown = status(site).expect(COULD_NOT_JUDGE)
        assert time.monotonic() - begin < 2
        assert rows(shown, "unknown") == ["scanning: a full scan is under way"], str(shown)
        assert next_line(shown).startswith("wait for it to end, then driftd status")


def test_unverified_paths(site: Site, app: Tree) -> None:
    """A daemon that may not read all: the verdict is unknown, and the paths are named."""
    (app.root / "lib" / "util.py").chmod(0o600)
    (app.root / "settings.py").chmod(0o600)
    site.release(app)
    for path in (site.directory / "state", site.directory / "run"):
        os.chown(path, 65534, 65534)
    words = as_nobody(site, "run", "--config", site.write_config())
    with Process(words, site.directory / "nobody.log", environment(**site.directories())) as daemon:
        env = environment(**site.directories())

        def ask(*options: str) -> Result:
            return run(as_nobody(site, "status", "--config", site.config, *options), env=env)

        shown = wait_until(ask, lambda result: "  unverified " in result.out, "a verdict", 30, every=0.2)
        shown.expect(COULD_NOT_JUDGE)
        assert rows(shown, "unverified") == ["lib/util.py  permission", "settings.py  permission"], str(shown)
        assert rows(shown, "unknown") == ["unverified: the state of some paths could not be established"]
        assert next_line(shown).startswith("driftd explain "), str(shown)
        document = validate(ask("--json").json(), COULD_NOT_JUDGE)
        assert tree_of(document)["counts"]["unverified"] == {"permission": 2}
        assert tree_of(document)["watch"]["mode"] == "polling" and tree_of(document)["watch"]["reason"]
        # Nor does root take his word for anything.
        assert "so not believed" in status(site).expect(COULD_NOT_JUDGE).err
        assert daemon.stop() == CLEAN


def test_how_it_is_watched(site: Site, app: Tree) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready()
        tree = tree_of(status_document(site))
        shown = status(site).expect(CLEAN)
        if kernel_can_watch(app.root):
            assert tree["watch"] == {"mode": "events", "reason": None}
            assert rows(shown, "watch") == ["events: a change is seen at once"]
        else:
            assert tree["watch"]["mode"] == "polling" and tree["watch"]["reason"]


def test_polling_says_why(site: Site, app: Tree) -> None:
    site.settings["watch"] = "polling"
    with Daemon(site) as daemon:
        daemon.wait_ready()
        shown = status(site).expect(CLEAN)
        assert tree_of(status_document(site))["watch"] == {
            "mode": "polling",
            "reason": "the configuration says watch: polling",
        }
    assert rows(shown, "watch") == [
        "polling: a change is seen by the next scan (the configuration says watch: polling)"
    ]


def test_several_trees(site: Site, app: Tree) -> None:
    other = site.tree("other")
    small_application(other.root)
    site.release(other, release="v7", sequence=7)
    broken = site.tree("broken")
    with Daemon(site) as daemon:
        daemon.wait_listening().wait_for_drift("app", {}, 20)
        write_files(other.root, {"app.py": "edited\n"})
        daemon.wait_for_drift("other", {"modified": 1})
        shown = status(site).expect(DRIFT)
        document = status_document(site)
    assert {tree["name"]: tree["verdict"] for tree in document["trees"]} == {
        "app": "clean",
        "broken": "unknown",
        "other": "drift",
    }
    for line in (r"app  v1  .*  CLEAN", r"broken  UNKNOWN", r"other  v7  .*  DRIFT"):
        assert re.search(rf"(?m)^{line}", shown.out), str(shown)
    assert next_line(shown).endswith(f" {other.root}/app.py"), "drift comes first"
    assert broken.root.is_dir()


def test_a_deploy_under_way(site: Site, app: Tree) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        put_back = (app.root / "app.py").read_bytes()
        staged = site.directory / "next"
        small_application(staged)
        write_files(staged, {"app.py": "print('v2')\n"})
        root, app.root = app.root, staged
        site.release(app, release="v2", sequence=2)
        app.root = root
        assert (app.root / "app.py").read_bytes() == put_back
        daemon.wait_for_metrics(
            lambda page: page.value("driftd_deploy_pending_paths", tree="app") == 1, "one path is pending", 20
        )
        shown = status(site).expect(COULD_NOT_JUDGE)
        tree = tree_of(status_document(site))
    assert rows(shown, "pending") == ["1 path still as v1 has them: a deploy is under way"], str(shown)
    assert rows(shown, "unknown") == ["deploying: a deploy from v1 is under way"]
    assert (tree["deploying_from"], tree["deploy_stuck"], tree["counts"]["pending"]) == ("v1", False, 1)
    assert [one["path"] for one in tree["pending"]] == ["app.py"]


def test_a_tree_that_is_another_release(site: Site, app: Tree) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        write_files(app.root, {"app.py": "print('v2')\n"})
        site.release(app, release="v2", sequence=2)
        daemon.wait_for_metrics(lambda page: page.verdict("app") == "clean", "v2 is in force", 20)
        site_v1 = site.directory / "v1"
        small_application(site_v1)
        (app.root / "app.py").write_bytes((site_v1 / "app.py").read_bytes())
        wait_until(lambda: status(site).out, lambda out: "is exactly v1, expected v2" in out, "it is told", 20)
        document = status_document(site)
    assert [one["changes"] for one in tree_of(document)["drift"]] == [["release"]]


def test_an_expired_manifest(site: Site, app: Tree) -> None:
    created = int(time.time()) - 55
    site.release(app, "--expires", "1m", epoch=created)
    with Daemon(site) as daemon:
        daemon.wait_ready()
        shown = wait_until(lambda: status(site), lambda result: "EXPIRED" in result.out, "it has expired", 20)
        shown.expect(CLEAN)
        assert tree_of(status_document(site))["manifest"]["expired"]


def test_a_tree_that_stalls(site: Site, app: Tree, workdir: Path) -> None:
    source = small_application(workdir / "remote")
    with hanging_mount(source, workdir / "mnt") as mount:
        tree = site.tree("remote", workdir / "mnt", quick_scan="1s")
        site.release(tree)
        with Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("remote", {}, 20)
            mount.hang()
            begin = time.monotonic()
            wait_until(
                lambda: tree_of(status_document(site), "remote")["stalled"], bool, "it is stalled", 50, every=0.5
            )
            assert time.monotonic() - begin > 25
            shown = status(site, timeout=5).expect(COULD_NOT_JUDGE)
            assert "unverified: its file system does not answer" in rows(shown, "unknown"), str(shown)
            assert rows(shown, "unverified") == [".  stalled"]
            assert next_line(shown) == f"see to the file system of remote, for example: df {tree.root}"
            # A scan that cannot be made is not waited for.
            asked = command(site, "scan", "now", "--tree", "remote", timeout=10).expect(COULD_NOT_JUDGE)
            assert asked.err == "driftd: remote: cannot be scanned now\n"
            command(site, "scan", "now", "--tree", "app", timeout=20).expect(CLEAN)
            mount.answer()


def test_since_when(site: Site, app: Tree) -> None:
    """The verdict's time is when it became that, and not when it was last found."""
    app.settings["quick_scan"] = "1s"
    with Daemon(site) as daemon:
        daemon.wait_ready()
        since = tree_of(status_document(site))["since"]
        daemon.wait_for_metrics(
            lambda page: page.number("driftd_scans_total", tree="app", type="quick") >= 2, "two scans more", 20
        )
        assert tree_of(status_document(site))["since"] == since
        write_files(app.root, {"app.py": "edited\n"})
        daemon.wait_for_drift("app", {"modified": 1})
        assert tree_of(status_document(site))["since"] > since


class TestReload:
    def test_it_goes_on(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            further = site.tree("further")
            small_application(further.root)
            site.release(further)
            site.write_config()
            daemon.send(signal.SIGHUP)
            daemon.wait_for_drift("further", {}, 20)
            assert [tree["name"] for tree in status_document(site)["trees"]] == ["app", "further"]

    def test_the_socket_moves_with_its_directory(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            status(site).expect(CLEAN)
            elsewhere = site.directory / "elsewhere"
            site.settings["run_directory"] = str(elsewhere)
            site.write_config()
            daemon.send(signal.SIGHUP)
            wait_until(lambda: status(site).code, lambda code: code == CLEAN, "the new place answers")
            assert (elsewhere / "control.sock").is_socket() and not (site.directory / "run" / "control.sock").exists()

    def test_a_refused_one_is_shown(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            good = site.config.read_text()
            site.config.write_text("wach: auto\n")
            daemon.send(signal.SIGHUP)
            daemon.wait_for_metrics(
                lambda page: page.value("driftd_config_last_reload_successful") == 0, "the reload has failed"
            )
            # The command cannot read it either, and says so rather than ask another daemon.
            assert "unknown key 'wach'" in status(site).expect(COULD_NOT_JUDGE).err
            other = site.directory / "same-place.yaml"
            other.write_text(good)
            shown = run(
                [DRIFTD, "status", "--config", other], env=environment(**site.directories())
            ).expect(CLEAN)
            assert re.search(r"(?m)^the configuration on disk is refused, .*: .*unknown key 'wach'", shown.out)
            site.config.write_text(good)
            assert "unknown key 'wach'" in status_document(site)["reload_problem"]


class TestScanNow:
    @pytest.fixture(autouse=True)
    def blind(self, site: Site) -> None:
        """Nothing but a scan that was asked for finds anything."""
        site.settings["watch"] = "polling"

    def test_it_finds_what_is_there(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("app", {})
            write_files(app.root, {"app.py": "edited\n"})
            status(site).expect(CLEAN)
            asked = command(site, "scan", "now").expect(DRIFT)
            assert asked.err == "driftd: app: a full scan begins\n"
            assert re.match(r"app  v1  .*  DRIFT for 0 s  1 of ", asked.out), str(asked)
            assert re.search(r"(?m)^  modified  app\.py ", asked.out), str(asked)
            assert daemon.metrics().value("driftd_scans_total", tree="app", type="full") == 2
            small = small_application(site.directory / "copy")
            (app.root / "app.py").write_bytes((small / "app.py").read_bytes())
            command(site, "scan", "now").expect(CLEAN)

    def test_one_tree_alone(self, site: Site, app: Tree) -> None:
        other = site.tree("other")
        small_application(other.root)
        site.release(other)
        with Daemon(site) as daemon:
            daemon.wait_ready()
            write_files(app.root, {"app.py": "edited\n"})
            write_files(other.root, {"app.py": "edited\n"})
            asked = command(site, "scan", "now", "--tree", "other").expect(DRIFT)
            assert asked.out.startswith("other  ") and "app  v1" not in asked.out
            page = daemon.metrics()
            done = {name: page.value("driftd_scans_total", tree=name, type="full") for name in ("app", "other")}
            assert done == {"app": 1, "other": 2}
            command(site, "scan", "now", "--tree", "app", "--tree", "other", "--tree", "app").expect(DRIFT)

    def test_unknown_trees(self, site: Site, app: Tree) -> None:
        site.tree("other")
        with Daemon(site) as daemon:
            daemon.wait_listening()
            for name in ("nope", "", "a\x1b[31m"):
                refused = command(site, "scan", "now", "--tree", name).expect(USAGE)
                assert refused.err.endswith("in the configuration in force; there are: app, other\n"), str(refused)
                assert_safe(refused.stderr, "the message")

    def test_nothing_to_scan(self, site: Site, app: Tree) -> None:
        app.signature.unlink()
        with Daemon(site) as daemon:
            daemon.wait_listening().wait_for_metrics(
                lambda page: page.value("driftd_manifest_problem", tree="app", reason="signature") == 1,
                "the manifest has been looked for",
                10,
            )
            for option in ([], ["--no-wait"]):
                asked = command(site, "scan", "now", *option, timeout=10).expect(COULD_NOT_JUDGE)
                assert asked.err == "driftd: app: cannot be scanned now\n"

    def test_a_tree_that_is_being_loaded(self, site: Site, app: Tree) -> None:
        """By a daemon that has begun, or has been told of other settings for the tree, a moment ago."""
        with Daemon(site) as daemon:
            wait_until(lambda: status(site).out, lambda out: "app" in out, "it answers", every=0.005)
            command(site, "scan", "now").expect(CLEAN)
            for turn in range(10):
                app.settings["labels"] = {"turn": str(turn)}
                site.write_config()
                daemon.send(signal.SIGHUP)
                reloaded = f'turn="{turn}"'
                wait_until(lambda: daemon.get("/metrics").text, lambda text: reloaded in text, "reloaded", every=0.001)
                asked = command(site, "scan", "now").expect(CLEAN)
                assert asked.err.startswith("driftd: app: a full scan "), str(asked)
            log = daemon.log()
            assert log.count(b"configuration reloaded") == 10
            assert log.count(b"no release of app is remembered") == 1, "once, at the start, it was true"

    def test_a_reload_meanwhile(self, site: Site) -> None:
        slow = site.tree("slow")
        write_files(slow.root, {"huge": ""})
        os.truncate(slow.root / "huge", 1 << 30)
        site.release(slow)
        with Daemon(site) as daemon:
            daemon.wait_ready(60)
            words = [DRIFTD, "scan", "now", "--config", site.config]
            with Process(words, site.directory / "asking.log", environment(**site.directories())) as asking:
                wait_until(asking.log, lambda text: b"a full scan begins" in text, "it waits")
                slow.settings["labels"] = {"team": "web"}
                site.write_config()
                daemon.send(signal.SIGHUP)
                assert asking.wait(60) == CLEAN, asking.log()

    def test_not_waiting(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            write_files(app.root, {"app.py": "edited\n"})
            asked = command(site, "scan", "now", "--no-wait").expect(CLEAN)
            assert asked.out == "" and asked.err == "driftd: app: a full scan begins\n"
            daemon.wait_for_drift("app", {"modified": 1})

    def test_a_limited_scan_that_is_under_way_is_not_waited_for(self, site: Site, app: Tree) -> None:
        (app.root / "large").write_bytes(bytes(32 << 20))
        site.release(app)
        app.settings["full_scan"] = "2s"
        site.settings["limits"] = {"threads": 1, "read_rate": "256KiB/s"}
        with Daemon(site) as daemon:
            daemon.wait_ready()
            wait_until(lambda: tree_of(status_document(site))["scanning"], bool, "a limited scan is under way", 10)
            begin = time.monotonic()
            asked = command(site, "scan", "now", timeout=60).expect(CLEAN)
            assert asked.err == "driftd: app: a full scan begins\n"
            assert time.monotonic() - begin < 30, "at 256 KiB/s it takes two minutes"

    def test_whoever_waits_learns_that_the_daemon_ends(self, site: Site) -> None:
        slow = site.tree("slow")
        write_files(slow.root, {"huge": ""})
        os.truncate(slow.root / "huge", SLOW_BYTES)
        site.release(slow)
        site.settings["limits"] = {"threads": 1}
        with Daemon(site) as daemon:
            wait_until(lambda: status(site).code, lambda code: code == COULD_NOT_JUDGE, "it answers")
            words = [DRIFTD, "scan", "now", "--config", site.config]
            with Process(words, site.directory / "asking.log", environment(**site.directories())) as asking:
                wait_until(asking.log, lambda text: b"a full scan" in text, "it waits")
                daemon.send(signal.SIGTERM)
                assert asking.wait(60) == COULD_NOT_JUDGE
                assert b"the daemon ended" in asking.log()

    def test_whoever_goes_is_forgotten(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            for _ in range(100):
                with connect(site) as client:
                    client.sendall(b'{"version":1,"command":"scan","wait":true}\n')
            command(site, "scan", "now").expect(CLEAN)
            with connect(site) as client:
                client.sendall(b'{"version":1,"command":"scan","wait":true}\n')
                answer = all_of(client)
            assert json.loads(answer.splitlines()[1])["exit"] == CLEAN


@pytest.mark.parametrize("words", [["scan"], ["scan", "later"], ["status", "--tree", "app"], ["status", "x"]])
def test_wrong_usage(site: Site, app: Tree, words: list[str]) -> None:
    site.write_config()
    command(site, *words).expect(USAGE)
