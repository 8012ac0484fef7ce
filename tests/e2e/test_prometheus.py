"""A real Prometheus scrapes the daemon, and the alert reaches a real Alertmanager; undone, it resolves."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.marks import needs_root
from support.programs import run
from support.services import RULES, Alertmanager, Prometheus
from support.site import Site, Tree, small_application
from support.waiting import wait_until
from support.workdir import new_workdir

pytestmark = needs_root

ALERT = "DriftdDriftOpen"
MODIFIED = 'driftd_drifted_paths{tree="app",kind="modified",state="open"}'
SCRAPE_SECONDS = 1.0
# For the daemon's own rescan and a busy machine.
SLACK_SECONDS = 3.0


def impatient_rules(directory: Path) -> Path:
    """The shipped rules, but no alert waits: what has to hold for minutes in production holds for 0 s here."""
    assert RULES.is_file(), f"no {RULES}"
    rules = directory / "driftd.rules.yml"
    rules.write_text(re.sub(r"(?m)^(\s*(?:- )?)(for|keep_firing_for):.*$", r"\1\2: 0s", RULES.read_text()))
    return rules


@dataclass(frozen=True)
class Monitoring:
    tree: Tree
    daemon: Daemon
    prometheus: Prometheus
    alertmanager: Alertmanager


@pytest.fixture(scope="module")
def monitoring() -> Iterator[Monitoring]:
    with new_workdir() as directory, ExitStack() as stack:
        site = Site(directory)
        tree = site.tree("app")
        small_application(tree.root)
        site.release(tree)
        daemon = stack.enter_context(Daemon(site))
        alertmanager = stack.enter_context(Alertmanager(directory))
        prometheus = stack.enter_context(
            Prometheus(directory, site.port, alertmanager.port, impatient_rules(directory))
        )
        daemon.wait_ready()
        alertmanager.wait_ready()
        prometheus.wait_ready()
        yield Monitoring(tree, daemon, prometheus, alertmanager)


def test_promtool_has_nothing_to_say_about_the_page(monitoring: Monitoring) -> None:
    page = monitoring.daemon.get("/metrics").body
    said = run(["promtool", "check", "metrics"], stdin=page).expect(0)
    assert said.stdout + said.stderr == b"", str(said)


def wait_for_value(monitoring: Monitoring, expression: str, value: float, seconds: float) -> None:
    wait_until(
        lambda: monitoring.prometheus.values(expression), lambda seen: seen == [value], f"{expression} {value}", seconds
    )


def wait_for_alert(monitoring: Monitoring, present: bool, seconds: float = 20) -> None:
    what = f"{ALERT} {'fires and reaches' if present else 'resolves and leaves'} Alertmanager"

    def state() -> dict[str, bool]:
        alerts = monitoring.alertmanager.alerts(ALERT)
        return {"fires": ALERT in monitoring.prometheus.firing(), "in Alertmanager": bool(alerts)}

    wait_until(state, lambda seen: set(seen.values()) == {present}, what, seconds)


def test_an_edit_is_scraped_alerted_and_resolved(monitoring: Monitoring) -> None:
    wait_for_value(monitoring, MODIFIED, 0, 20)
    assert ALERT not in monitoring.prometheus.firing()

    settings = monitoring.tree.root / "settings.py"
    original = settings.read_bytes()
    settings.write_bytes(original.replace(b"False", b"True"))
    wait_for_value(monitoring, MODIFIED, 1, SCRAPE_SECONDS + SLACK_SECONDS)
    wait_for_alert(monitoring, present=True)
    alert = monitoring.alertmanager.alerts(ALERT)[0]
    assert alert["labels"]["tree"] == "app", alert
    assert "settings.py" not in str(alert["labels"]), "a path is no label"

    settings.write_bytes(original)
    wait_for_value(monitoring, MODIFIED, 0, SCRAPE_SECONDS + SLACK_SECONDS)
    wait_for_alert(monitoring, present=False)


def test_no_alert_fires_for_a_clean_host(monitoring: Monitoring) -> None:
    """With no waiting at all, so that a rule which is wrong for a moment would show."""
    assert monitoring.daemon.metrics().verdict("app") == "clean"
    wait_until(monitoring.prometheus.firing, lambda seen: not seen, "no alert fires", 10)
