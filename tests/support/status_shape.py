"""The documented shape of `driftd status --json`, which /api/v1/status has, too, and of /api/v1/drift, as strict
validators: no field missing, none unknown.

Findings, unverified paths and the manifest are as in `driftd --check --json` (json_shape.py); a finding that is open
also says since when it is known.
"""

from typing import Any

from support.json_shape import (
    BASE64,
    EXIT_CODES,
    FINDING,
    FINDING_FIELDS,
    KINDS,
    MANIFEST,
    OPTIONAL_FINDING_FIELDS,
    TIMESTAMP,
    UNVERIFIED,
    UNVERIFIED_REASONS,
    VERDICT,
    array,
    check_finding,
    choice,
    count,
    exactly,
    nullable,
    raw_path,
    record,
    seconds,
    text,
    truth,
    verdict_of,
)

UNKNOWN_REASONS = {"unverified", "manifest", "key_revoked", "scanning", "deploying", "overdue"}

OPEN = record(FINDING_FIELDS | {"first_seen": TIMESTAMP}, OPTIONAL_FINDING_FIELDS)
ERROR = record({"reason": text(r"[a-z_]+"), "message": text(r"[^\n]+")})
SCANS = record(
    {
        "last": nullable(TIMESTAMP),
        "seconds": seconds,
        "next": nullable(TIMESTAMP),
        "interval": seconds,
        "done": count,
        "failed": count,
    }
)
OF_PATHS = {
    "name": text(r"[A-Za-z0-9._-]{1,64}"),
    "root": text(r"/.*"),
    "verdict": VERDICT,
    "counts": record(
        {
            "drift": record({}, {kind: count for kind in KINDS}),
            "unverified": record({}, {reason: count for reason in UNVERIFIED_REASONS}),
            "pending": count,
        }
    ),
    # There are more paths than are listed; the counts are of all.
    "cut": truth,
    "drift": array(OPEN),
    "unverified": array(UNVERIFIED),
    "pending": array(FINDING),
}
OPTIONAL = {"root_base64": text(BASE64)}
TREE = record(
    OF_PATHS
    | {
        "since": nullable(TIMESTAMP),
        "unknown": array(choice(UNKNOWN_REASONS)),
        "stalled": truth,
        "manifest": nullable(MANIFEST),
        "entries": count,
        "refused": nullable(ERROR),
        "distrust": nullable(ERROR),
        "replay_unchecked": nullable(text()),
        "clock_suspect": truth,
        "trust_reset": nullable(record({"at": TIMESTAMP, "reason": text()})),
        "scanning": truth,
        "scan_failure": nullable(text()),
        "scans": record({"full": SCANS, "quick": SCANS}),
        "watch": record({"mode": choice({"events", "polling"}), "reason": nullable(text())}),
        "deploying_from": nullable(text()),
        "deploy_stuck": truth,
    },
    OPTIONAL,
)
HEAD = {
    "version": exactly(1),
    "host": text(),
    "driftd": text(),
    "verdict": VERDICT,
    "now": TIMESTAMP,
}
DOCUMENT = record(
    HEAD
    | {
        "started_at": TIMESTAMP,
        "reload_problem": nullable(text()),
        "rollback_protection": choice({"ok", "new", "lost"}),
        "trees": array(TREE),
    }
)
DRIFT_DOCUMENT = record(HEAD | {"trees": array(record(OF_PATHS, OPTIONAL))})


def _check_paths(tree: dict[str, Any]) -> dict[str, int]:
    """How many of each there are."""
    name, counts = tree["name"], tree["counts"]
    for finding in tree["drift"] + tree["pending"]:
        check_finding(finding)
    for listed in ("drift", "unverified", "pending"):
        paths = [raw_path(item) for item in tree[listed]]
        assert len(set(paths)) == len(paths), f"{name}: a path twice among {listed}: {sorted(paths)}"
    totals = {
        "drift": sum(counts["drift"].values()),
        "unverified": sum(counts["unverified"].values()),
        "pending": counts["pending"],
    }
    for listed, total in totals.items():
        number = len(tree[listed])
        assert number == total or (tree["cut"] and number < total), f"{name}: {number} of {total} {listed} are listed"
    return totals


def _check_tree(tree: dict[str, Any]) -> None:
    name, totals = tree["name"], _check_paths(tree)
    wanted = verdict_of(totals["drift"] > 0, bool(tree["unknown"]))
    assert tree["verdict"] == wanted, f"{name}: verdict {tree['verdict']}, which is {wanted}"
    if totals["unverified"] or tree["manifest"] is None or tree["stalled"]:
        assert tree["unknown"], f"{name}: something is not established, and no reason says so"
    assert (tree["watch"]["mode"] == "polling") >= (tree["watch"]["reason"] is not None), name


def validate(document: Any, exit_code: int) -> dict[str, Any]:
    """Returns the document, which is one that is documented, and for this exit code."""
    DOCUMENT(document, "$")
    for tree in document["trees"]:
        _check_tree(tree)
    verdicts = {tree["verdict"] for tree in document["trees"]}
    wanted = verdict_of("drift" in verdicts, "unknown" in verdicts or not verdicts)
    assert document["verdict"] == wanted, f"verdict {document['verdict']} of {verdicts}"
    assert EXIT_CODES[wanted] == exit_code, f"exit code {exit_code} with the verdict {wanted}"
    return document


def validate_drift(document: Any) -> dict[str, Any]:
    """Returns the document, which is one that is documented."""
    DRIFT_DOCUMENT(document, "$")
    for tree in document["trees"]:
        _check_paths(tree)
        assert (tree["verdict"] == "drift") == bool(tree["counts"]["drift"]), tree["name"]
    return document
