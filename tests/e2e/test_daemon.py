"""The life of the service: what it tells systemd, readiness, reload, and its end."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import STOP_SECONDS, Daemon
from support.marks import needs_root
from support.metrics import Page
from support.notify import NotifySocket
from support.programs import driftd, environment
from support.site import Site, Tree, small_application, write_files

pytestmark = needs_root

# The leak check at exit takes longer than the daemon may.
WITHOUT_LEAK_CHECK = {"ASAN_OPTIONS": "detect_leaks=0:exitcode=86", "LSAN_OPTIONS": "detect_leaks=0"}
GIB = 2**30
SLOW_BYTES = 2 * GIB


@pytest.fixture
def systemd(workdir: Path) -> Iterator[NotifySocket]:
    with NotifySocket(workdir / "notify") as notify:
        yield notify


def reload_succeeded(page: Page) -> float | None:
    return page.value("driftd_config_last_reload_successful")


class TestSystemd:
    def test_ready_status_and_stopping(self, site: Site, app: Tree, systemd: NotifySocket) -> None:
        with Daemon(site, NOTIFY_SOCKET=str(systemd.path)) as daemon:
            systemd.wait_for_assignment("READY", "1")
            systemd.wait_for_assignment("STATUS")
            assert daemon.get("/-/healthy").status == 200, "it listens when it says that it is ready"
            daemon.wait_ready()
            systemd.forget()
            daemon.stop_in_time()
            systemd.wait_for_assignment("STOPPING", "1")

    def test_the_status_tells_the_verdict(self, site: Site, app: Tree, systemd: NotifySocket) -> None:
        with Daemon(site, NOTIFY_SOCKET=str(systemd.path)) as daemon:
            daemon.wait_ready()
            write_files(app.root, {"app.py": "edited\n"})
            systemd.wait_for(lambda message: "drift" in message.get("STATUS", "").lower(), "a STATUS that says drift")

    def test_the_watchdog_is_fed(self, site: Site, app: Tree, systemd: NotifySocket) -> None:
        """Within the interval, again and again."""
        with Daemon(site, NOTIFY_SOCKET=str(systemd.path), WATCHDOG_USEC="1000000"):
            systemd.wait_for_assignment("READY", "1")
            for _ in range(3):
                systemd.forget()
                systemd.wait_for_assignment("WATCHDOG", "1", seconds=1)

    def test_no_watchdog_unless_asked_for(self, site: Site, app: Tree, systemd: NotifySocket) -> None:
        with Daemon(site, NOTIFY_SOCKET=str(systemd.path)) as daemon:
            daemon.wait_ready()
            daemon.stop_in_time()
        systemd.wait_for_assignment("STOPPING", "1")
        assert not any("WATCHDOG" in message for message in systemd.messages)

    def test_reloading_is_told_with_its_time(self, site: Site, app: Tree, systemd: NotifySocket) -> None:
        with Daemon(site, NOTIFY_SOCKET=str(systemd.path)) as daemon:
            daemon.wait_ready()
            systemd.forget()
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            daemon.send(signal.SIGHUP)
            told = systemd.wait_for_assignment("RELOADING", "1")
            assert before <= int(told["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            systemd.wait_for_assignment("READY", "1")


class TestReadiness:
    def test_ready_means_that_every_tree_has_been_scanned(self, site: Site, app: Tree) -> None:
        late = site.tree("late")
        small_application(late.root)
        with Daemon(site) as daemon:
            daemon.wait_listening().wait_for_drift("app", {})
            assert daemon.get("/-/ready").status == 503, "one tree has no manifest yet, and was never scanned"
            site.release(late)
            daemon.wait_ready(seconds=10)
            daemon.wait_for_drift("late", {})

    def test_drift_is_no_reason_not_to_be_ready(self, site: Site, app: Tree) -> None:
        write_files(app.root, {"app.py": "edited\n"})
        with Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("app", {"modified": 1})


class TestReload:
    def test_a_broken_configuration_keeps_the_old_one(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            assert reload_succeeded(daemon.metrics()) == 1
            site.config.write_text("trees: [\nwach: auto\n")
            daemon.send(signal.SIGHUP)
            daemon.wait_for_metrics(lambda page: reload_succeeded(page) == 0, "the reload is said to have failed")
            assert f"{site.config}:" in daemon.log().decode(), "the log says what is wrong, and where"
            write_files(app.root, {"app.py": "edited\n"})
            daemon.wait_for_drift("app", {"modified": 1})

            site.write_config()
            daemon.send(signal.SIGHUP)
            daemon.wait_for_metrics(lambda page: reload_succeeded(page) == 1, "the mended configuration is taken")
            daemon.wait_for_drift("app", {"modified": 1})

    def test_a_further_tree_is_added(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            further = site.tree("further")
            small_application(further.root)
            site.release(further)
            write_files(further.root, {"new.py": "x\n"})
            site.write_config()
            daemon.send(signal.SIGHUP)
            daemon.wait_for_drift("further", {"added": 1})
            daemon.wait_for_drift("app", {})

    def test_a_tree_that_is_gone_leaves_no_series(self, site: Site, app: Tree) -> None:
        further = site.tree("further")
        small_application(further.root)
        site.release(further)
        with Daemon(site) as daemon:
            daemon.wait_ready()
            del site.trees["further"]
            site.write_config()
            daemon.send(signal.SIGHUP)
            daemon.wait_for_metrics(lambda page: 'tree="further"' not in page.text, "nothing is said of the tree")
            daemon.wait_for_drift("app", {})

    def test_what_an_added_nested_tree_holds_is_not_the_outer_ones_any_more(self, site: Site, app: Tree) -> None:
        """And no tree is read again for that."""
        other = site.tree("other")
        small_application(other.root)
        site.release(other)
        write_files(app.root, {"plugins/plugin.py": "x\n"})
        with Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("app", {"added": 1})
            nested = site.tree("nested", app.root / "plugins")
            site.release(nested)
            site.write_config()
            daemon.send(signal.SIGHUP)
            daemon.wait_for_drift("app", {})
            daemon.wait_for_drift("nested", {})
            del site.trees["nested"]
            site.write_config()
            daemon.send(signal.SIGHUP)
            daemon.wait_for_drift("app", {"added": 1})
            for tree in ("app", "other"):
                daemon.wait_for_metrics(
                    lambda page: page.number("driftd_scans_total", tree=tree, type="quick") >= 1, "they were looked at"
                )
                assert daemon.metrics().number("driftd_scans_total", tree=tree, type="full") == 1

    def test_what_a_removed_nested_tree_left_is_the_outer_ones(self, site: Site, app: Tree) -> None:
        nested = site.tree("nested", app.root / "plugins")
        write_files(nested.root, {"plugin.py": "x\n"})
        site.release(nested)
        with Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("app", {})
            del site.trees["nested"]
            site.write_config()
            daemon.send(signal.SIGHUP)
            daemon.wait_for_drift("app", {"added": 1})


class TestEnd:
    def test_it_ends_in_time(self, site: Site, app: Tree) -> None:
        with Daemon(site, **WITHOUT_LEAK_CHECK) as daemon:
            daemon.wait_ready()
            daemon.send(signal.SIGTERM)
            assert daemon.wait(STOP_SECONDS) == 0

    def test_it_ends_in_time_during_the_first_scan(self, site: Site) -> None:
        """A file with nothing but holes: it takes no room, and seconds to hash."""
        slow = site.tree("slow")
        write_files(slow.root, {"huge": ""})
        os.truncate(slow.root / "huge", SLOW_BYTES)
        site.release(slow)
        site.settings["limits"] = {"threads": 1}
        with Daemon(site, **WITHOUT_LEAK_CHECK) as daemon:
            daemon.wait_listening()
            assert daemon.get("/-/ready").status == 503, "the scan has ended already: make SLOW_BYTES more"
            daemon.send(signal.SIGTERM)
            assert daemon.wait(STOP_SECONDS) == 0

    def test_it_ends_in_time_during_a_limited_scan(self, site: Site, app: Tree) -> None:
        """The limit on the read rate makes it wait, and the end must not wait for that."""
        (app.root / "large").write_bytes(bytes(16 * 2**20))
        site.release(app)
        app.settings["full_scan"] = "1s"
        site.settings["limits"] = {"threads": 1, "read_rate": "256KiB/s"}
        with Daemon(site, **WITHOUT_LEAK_CHECK) as daemon:
            daemon.wait_ready()
            # Nothing shows that a scan has begun; an interval of 1 s and its jitter will be over by then.
            time.sleep(2)
            assert daemon.metrics().value("driftd_scans_total", tree="app", type="full") == 1, "the limit does not hold"
            daemon.send(signal.SIGTERM)
            assert daemon.wait(STOP_SECONDS) == 0

    def test_who_asks_again_and_again_does_not_end_it_midway(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            deadline = time.monotonic() + 10
            while daemon.is_running() and time.monotonic() < deadline:
                daemon.send(signal.SIGTERM)
                time.sleep(0.001)
            assert daemon.wait(0) == 0

    def test_it_starts_again_with_what_it_left(self, site: Site, app: Tree) -> None:
        for _ in range(2):
            with Daemon(site) as daemon:
                daemon.wait_ready().wait_for_drift("app", {})

    def test_a_port_in_use_is_said(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_listening()
            elsewhere = str(site.directory / "staging")
            env = environment(STATE_DIRECTORY=elsewhere, RUNTIME_DIRECTORY=elsewhere)
            refused = driftd("run", "--config", site.write_config(), env=env, timeout=20).expect(1)
            assert f"127.0.0.1:{site.port}" in refused.err, f"the message names the address\n{refused}"
