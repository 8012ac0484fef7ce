"""What is shipped beside the programs: alerting rules, the scrape example, systemd units."""

import re
from pathlib import Path

import pytest

PROMETHEUS = "packaging/prometheus"
RULES = f"{PROMETHEUS}/driftd.rules.yml"
RULE_TESTS = f"{PROMETHEUS}/driftd.rules.test.yml"

# Of 100, as systemd-analyze counts: below 40 is "OK". A service that runs as root with CAP_SYS_ADMIN, sees all files
# and /proc, and talks to the network has 38 with all else closed.
MAX_EXPOSURE = 40


def alerts(rules: str) -> dict[str, str]:
    """Each alert's name and the text of its rule."""
    parts = re.split(r"^ *- alert: *(\w+)$", rules, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def metrics(rules: str) -> set[str]:
    """Our metrics by their names without the prefix; `driftd_x_bucket` is of the histogram `driftd_x`."""
    code = re.sub(r"^\s*#.*$", "", rules, flags=re.MULTILINE)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bdriftd_([a-z0-9_]+)", code)}


def test_rules_are_valid(tool, run) -> None:
    result = run(tool("promtool"), "check", "rules", "--lint-fatal", RULES)
    assert result.returncode == 0, result.stdout + result.stderr


def test_rules_do_what_their_tests_say(tool, run) -> None:
    result = run(tool("promtool"), "test", "rules", RULE_TESTS)
    assert result.returncode == 0, result.stdout + result.stderr


def test_scrape_example_is_valid(tool, run) -> None:
    result = run(tool("promtool"), "check", "config", "--syntax-only", f"{PROMETHEUS}/scrape.example.yml")
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_says_how_bad_what_and_what_to_do(tree) -> None:
    rules = alerts(tree.text(RULES))
    assert rules
    for name, rule in rules.items():
        assert re.search(r"^ +severity: (critical|warning|info)$", rule, re.MULTILINE), f"{name} has no severity"
        assert re.search(r"^ +for: ", rule, re.MULTILINE), f"{name} fires on a single sample"
        for annotation in ("summary", "description", "runbook"):
            assert re.search(rf"^ +{annotation}: \S", rule, re.MULTILINE), f"{name} has no {annotation}"


def test_every_alert_is_tested_firing_and_not_firing(tree) -> None:
    tests = tree.text(RULE_TESTS)
    cases = re.findall(r"^ +alertname: (\w+)\n( +exp_alerts:)?", tests, re.MULTILINE)
    for name in alerts(tree.text(RULES)):
        outcomes = {bool(expected) for alert, expected in cases if alert == name}
        assert outcomes == {True, False}, f"{name} is not tested both firing and not firing"


def test_every_metric_in_the_rules_exists(tree) -> None:
    """A rule about a metric that nobody emits never fires: a false "clean"."""
    daemon = "".join(tree.text(path) for path in tree.cpp() if path.startswith("daemon/") and path.endswith(".cpp"))
    if not daemon:
        pytest.skip("no daemon here")
    names = metrics(tree.text(RULES))
    assert names
    absent = {name for name in names if not re.search(rf'"(driftd_)?{name}"', daemon)}
    assert not absent, f"in {RULES}, but nowhere in daemon/*.cpp: {', '.join(sorted(absent))}"


def units(tree) -> list[str]:
    return [path for path in tree.files if re.fullmatch(r"systemd/[^/]+\.(service|socket|timer|path)", path)]


@pytest.fixture
def unit_copies(tree, tmp_path: Path) -> list[Path]:
    """The units, with the programs that they start replaced by one that exists where nothing is installed."""
    copies = []
    for path in units(tree):
        copy = tmp_path / Path(path).name
        program = re.compile(r"^(Exec\w+=[-@:+!|]*)/usr/bin/driftd\b", re.MULTILINE)
        copy.write_text(program.sub(r"\1/bin/true", tree.text(path)))
        copies.append(copy)
    assert copies
    return copies


def test_units_are_valid(unit_copies, tool, run) -> None:
    result = run(tool("systemd-analyze"), "verify", *unit_copies)
    # It exits 0 on keys that it does not know, and says so.
    assert (result.returncode, result.stderr) == (0, ""), result.stderr


def test_services_are_confined(unit_copies, tool, run) -> None:
    for unit in unit_copies:
        if unit.suffix != ".service":
            continue
        result = run(
            tool("systemd-analyze"), "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", unit
        )
        assert result.returncode == 0, f"{unit.name}\n{result.stdout}{result.stderr}"


def test_the_service_sees_all_files_and_may_use_openat2(tree) -> None:
    """Settings that make it safer by the count, and blind (see the comments in the unit)."""
    unit = re.sub(r"^#.*$", "", tree.text("systemd/driftd.service"), flags=re.MULTILINE)
    for setting in (
        "BindPaths",
        "DynamicUser",
        "ExecPaths",
        "InaccessiblePaths",
        "NoExecPaths",
        "PrivateTmp",
        "PrivateUsers",
        "ProtectHome",
        "ProtectKernelModules",
        "ProtectSystem",
        "RestrictSUIDSGID",
        "RootDirectory",
        "TemporaryFileSystem",
    ):
        assert not re.search(rf"^{setting}=", unit, re.MULTILINE), setting
