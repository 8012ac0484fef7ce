"""The metrics page as an interface: every documented series is there from the start, and nothing else is."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.daemon import Daemon
from support.marks import needs_root
from support.metrics import Page
from support.release import headers_of
from support.site import Site, Tree, small_application, write_files
from support.workdir import new_workdir

pytestmark = needs_root

RULES = ("--mutable", "var/**", "--mutable", "**/__pycache__/**")

MOST_SERIES_OF_A_TREE = 50
MOST_SERIES_OF_A_DAEMON = 40

KINDS = ("modified", "missing", "added", "type", "metadata", "target")
SCANS = ("full", "quick")


@dataclass(frozen=True)
class Family:
    """A metric as it is documented: the labels it has, and the series that exist from the start."""

    labels: tuple[str, ...] = ()
    kind: str = "gauge"
    # The values of the last label; None: what they are depends on the host, one series is enough.
    values: tuple[str, ...] | None = None
    # False: exists only while it applies, or in later versions.
    from_the_start: bool = True


PER_TREE = Family(("tree",))
COUNTED = Family(("tree",), "counter")
LATER = False

FAMILIES = {
    "build_info": Family(("version", "revision")),
    "config_last_reload_successful": Family(),
    "config_last_reload_success_timestamp_seconds": Family(),
    "tree_verdict": Family(("tree", "verdict"), values=("clean", "drift", "unknown")),
    "drifted_paths": Family(("tree", "state", "kind"), values=KINDS),
    "unverified_paths": Family(("tree", "reason"), from_the_start=False),
    "tree_unknown": Family(("tree", "reason"), from_the_start=False),
    "oldest_open_drift_timestamp_seconds": PER_TREE,
    "tree_tainted": Family(("tree",), from_the_start=LATER),
    "manifest_info": Family(("tree", "release", "content", "key_ids")),
    "tree_info": Family(("tree", "team")),
    "unchecked_rules": PER_TREE,
    "manifest_valid": PER_TREE,
    "manifest_created_timestamp_seconds": PER_TREE,
    "manifest_expires_timestamp_seconds": PER_TREE,
    "manifest_sequence": PER_TREE,
    "manifest_entries": PER_TREE,
    "manifest_rejections_total": COUNTED,
    "manifest_problem": Family(("tree", "reason"), from_the_start=False),
    "release_override": Family(("tree", "override"), from_the_start=LATER),
    "deploy_in_progress": PER_TREE,
    "deploy_pending_paths": PER_TREE,
    "scans_total": Family(("tree", "type"), "counter", SCANS),
    "scan_failures_total": Family(("tree", "type"), "counter", SCANS),
    "last_scan_success_timestamp_seconds": Family(("tree", "type"), values=SCANS),
    "last_scan_duration_seconds": Family(("tree", "type"), values=SCANS),
    "scan_interval_seconds": Family(("tree", "type"), values=SCANS),
    "hashed_bytes_total": COUNTED,
    "hashed_files_total": COUNTED,
    "drift_detected_total": COUNTED,
    "drift_resolved_total": COUNTED,
    "watch_active": Family(("tree", "mode"), values=("events", "polling")),
    "watch_events_total": COUNTED,
    "watch_overflows_total": COUNTED,
    "detection_latency_seconds": Family((), "histogram"),
    "watch_probe_latency_seconds": Family((), from_the_start=LATER),
    "watch_probe_failures_total": Family((), "counter", from_the_start=LATER),
    "watch_probe_omissions_total": Family((), "counter", from_the_start=LATER),
    "rollback_protection": Family(("state",), values=("ok", "new", "lost")),
    "clock_suspect": Family(),
    "notifications_total": Family(("receiver",), "counter", from_the_start=LATER),
    "notification_failures_total": Family(("receiver",), "counter", from_the_start=LATER),
}
PROCESS = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
)


@dataclass(frozen=True)
class Host:
    daemon: Daemon
    app: Tree
    page: Page  # of a host that is clean, and where nothing has happened yet


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """`app` is clean; `bare` has no manifest, and so has never been scanned."""
    with new_workdir() as directory:
        site = Site(directory)
        app = site.tree("app", labels={"team": "web"})
        write_files(small_application(app.root), {"var/cache/page": "x\n"})
        site.release(app, *RULES, "--expires", "90d", release="v3", sequence=3)
        small_application(site.tree("bare", labels={"team": "none"}).root)
        with Daemon(site) as daemon:
            daemon.wait_listening().wait_for_drift("app", {})
            yield Host(daemon, app, daemon.metrics())


def expected_series(name: str, family: Family, tree: str) -> list[dict[str, str]]:
    """At least these labels are to be found on some series."""
    labels = {"tree": tree} if "tree" in family.labels else {}
    if "state" in family.labels and family.values:
        labels["state"] = "open"
    return [labels | {family.labels[-1]: value} for value in family.values] if family.values else [labels]


FROM_THE_START = [(name, tree) for name in FAMILIES if FAMILIES[name].from_the_start for tree in ("app", "bare")]
FROM_THE_START.remove(("manifest_info", "bare"))  # there is no manifest to tell of


@pytest.mark.parametrize(("name", "tree"), FROM_THE_START)
def test_a_series_exists_from_the_start(host: Host, name: str, tree: str) -> None:
    family = FAMILIES[name]
    sample = f"driftd_{name}" + ("_count" if family.kind == "histogram" else "")
    for labels in expected_series(name, family, tree):
        assert host.page.series(sample, **labels), f"no {sample} with {labels}\n{host.page.text}"


@pytest.mark.parametrize("name", PROCESS)
def test_the_usual_process_metrics_are_there(host: Host, name: str) -> None:
    assert host.page.value(name) is not None


def test_nothing_undocumented_is_there(host: Host) -> None:
    known = {f"driftd_{name}" for name in FAMILIES} | set(PROCESS)
    assert not {host.page.family(name) for name in host.page.names()} - known


def test_types_helps_and_labels_are_as_documented(host: Host) -> None:
    for name, labels in host.page.samples:
        family = host.page.family(name)
        if family in PROCESS:
            continue
        documented = FAMILIES[family.removeprefix("driftd_")]
        assert host.page.types[family] == documented.kind, family
        assert host.page.helps.get(family), f"no HELP for {family}"
        assert {label for label, _ in labels} - {"le"} == set(documented.labels), name


def test_the_number_of_series_is_bounded(host: Host) -> None:
    for tree in ("app", "bare"):
        assert sum(("tree", tree) in labels for _, labels in host.page.samples) <= MOST_SERIES_OF_A_TREE
    assert sum("tree" not in dict(labels) for _, labels in host.page.samples) <= MOST_SERIES_OF_A_DAEMON


def test_the_values_of_a_clean_tree(host: Host) -> None:
    page, headers = host.page, headers_of(host.app.manifest)
    (info,) = page.series("driftd_manifest_info", tree="app")
    assert (info["release"], info["content"]) == ("v3", headers["content"])
    assert info["key_ids"] == host.daemon.site.keys.id
    assert page.value("driftd_tree_info", tree="app", team="web") == 1
    values = {
        "manifest_valid": 1,
        "manifest_sequence": 3,
        "manifest_entries": int(headers["entries"]),
        "oldest_open_drift_timestamp_seconds": 0,
        "manifest_rejections_total": 0,
        "drift_detected_total": 0,
        "watch_overflows_total": 0,
    }
    for name, value in values.items():
        assert page.value(f"driftd_{name}", tree="app") == value, name
    lifetime = [page.number(f"driftd_manifest_{when}_timestamp_seconds", tree="app") for when in ("created", "expires")]
    assert lifetime[1] - lifetime[0] == 90 * 86400
    assert page.value("driftd_scans_total", tree="app", type="full") == 1
    assert page.number("driftd_unchecked_rules", tree="app") >= 2
    assert page.number("driftd_hashed_files_total", tree="app") >= 5
    assert abs(page.number("driftd_last_scan_success_timestamp_seconds", tree="app", type="full") - time.time()) < 120


def test_a_tree_that_was_never_scanned_is_unknown(host: Host) -> None:
    assert host.page.verdict("bare") == "unknown"
    assert host.page.value("driftd_manifest_valid", tree="bare") == 0
    assert host.page.value("driftd_last_scan_success_timestamp_seconds", tree="bare", type="full") == 0


def test_drift_is_counted_and_timed(host: Host) -> None:
    begin = time.time()
    write_files(host.app.root, {"new.py": "x\n"})
    host.daemon.wait_for_drift("app", {"added": 1})
    page = host.daemon.metrics()
    assert page.value("driftd_drift_detected_total", tree="app") == 1
    assert begin - 1 <= page.number("driftd_oldest_open_drift_timestamp_seconds", tree="app") <= time.time() + 1
    (host.app.root / "new.py").unlink()
    host.daemon.wait_for_drift("app", {})
    page = host.daemon.metrics()
    assert page.value("driftd_drift_resolved_total", tree="app") == 1
    assert page.value("driftd_oldest_open_drift_timestamp_seconds", tree="app") == 0
