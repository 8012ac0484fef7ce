"""The documented shape of `driftd --check --json`, as a strict validator: no field missing, none unknown.

A shape is a function of a value and of where it stands in the document; it raises an AssertionError that names the
place. The document's own logic is checked as well: verdicts go with findings, each kind with its two sides.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

from support.safe_output import escaped

Shape = Callable[[Any, str], None]

KINDS = {"modified", "missing", "added", "type", "metadata", "target"}
CHANGES = {"type", "content", "size", "target", "mode", "owner", "group", "capability", "acl", "release"}
UNVERIFIED_REASONS = {"permission", "unstable", "mount", "io", "stalled", "limit"}
TYPES = {"file", "directory", "symlink", "fifo", "socket", "character device", "block device"}


def text(pattern: str = r"(?s).+") -> Shape:
    def check(value: Any, where: str) -> None:
        fits = isinstance(value, str) and re.fullmatch(pattern, value)
        assert fits, f"{where}: {value!r} is not a text like {pattern}"

    return check


def choice(allowed: set[str]) -> Shape:
    def check(value: Any, where: str) -> None:
        assert value in allowed, f"{where}: {value!r} is none of {sorted(allowed)}"

    return check


def count(value: Any, where: str) -> None:
    assert type(value) is int and value >= 0, f"{where}: {value!r} is not a count"


def seconds(value: Any, where: str) -> None:
    assert type(value) in (int, float) and value >= 0, f"{where}: {value!r} is not a number of seconds"


def truth(value: Any, where: str) -> None:
    assert type(value) is bool, f"{where}: {value!r} is neither true nor false"


def exactly(wanted: Any) -> Shape:
    def check(value: Any, where: str) -> None:
        assert type(value) is type(wanted) and value == wanted, f"{where}: {value!r} is not {wanted!r}"

    return check


def nullable(shape: Shape) -> Shape:
    return lambda value, where: None if value is None else shape(value, where)


def array(shape: Shape) -> Shape:
    def check(value: Any, where: str) -> None:
        assert isinstance(value, list), f"{where}: {value!r} is not an array"
        for at, element in enumerate(value):
            shape(element, f"{where}[{at}]")

    return check


def record(required: dict[str, Shape], optional: dict[str, Shape] | None = None) -> Shape:
    shapes = required | (optional or {})

    def check(value: Any, where: str) -> None:
        assert isinstance(value, dict), f"{where}: {value!r} is not an object"
        assert not (missing := required.keys() - value.keys()), f"{where}: no {sorted(missing)}"
        assert not (unknown := value.keys() - shapes.keys()), f"{where}: unknown {sorted(unknown)}"
        for name, element in value.items():
            shapes[name](element, f"{where}.{name}")

    return check


BASE64 = r"[A-Za-z0-9+/]+={0,2}"
TIMESTAMP = text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
DIGEST = text(r"[0-9a-f]{64}")
KEY_ID = text(r"[0-9A-F]{16}")
MODE = text(r"[0-7]{4}")
VERDICT = choice({"clean", "drift", "unknown"})

# `blake3` is null where the size differs already: then the content is not read.
FACTS = record(
    {},
    {
        "type": choice(TYPES),
        "size": count,
        "blake3": nullable(DIGEST),
        "sha256": nullable(DIGEST),
        "mode": MODE,
        "executable": truth,
        "owner": text(),
        "group": text(),
        "target": text(),
        "target_base64": text(BASE64),
        "capability_base64": text(BASE64),
        "acl": DIGEST,
        "release": text(),
    },
)
RAW_PATH = {"path_base64": text(BASE64)}
# Who made it, as far as the daemon has seen it. Nobody knows more than `several` where there is no `pid`.
EVIDENCE = record(
    {"several": truth},
    {
        "seen_at": TIMESTAMP,
        "pid": count,
        "name": text(r"(?s).*"),
        "name_base64": text(BASE64),
        "executable": text(),
        "executable_base64": text(BASE64),
        "arguments": array(text(r"(?s).*")),
        "arguments_base64": array(text(r"[A-Za-z0-9+/]*={0,2}")),
        "arguments_cut": truth,
        "uid": count,
        "user": text(),
        "uid_in_doubt": truth,
        "login_uid": count,
        "login_user": text(),
        "session": count,
        "terminal": text(),
        "client": text(),
        "unit": text(),
        "container": text(),
        "parents": array(
            record({"pid": count, "name": text(r"(?s).*")}, {"name_base64": text(BASE64)}),
        ),
        "parents_cut": truth,
    },
)
FINDING_FIELDS: dict[str, Shape] = {
    "path": text(),
    "kind": choice(KINDS),
    "changes": array(choice(CHANGES)),
    "expected": nullable(FACTS),
    "actual": nullable(FACTS),
}
OPTIONAL_FINDING_FIELDS: dict[str, Shape] = RAW_PATH | {
    "below": count,
    "changed_at": TIMESTAMP,
    "evidence": EVIDENCE,
}
FINDING = record(FINDING_FIELDS, OPTIONAL_FINDING_FIELDS)
UNVERIFIED = record(
    {"path": text(), "reason": choice(UNVERIFIED_REASONS)}, RAW_PATH | {"below": count}
)
PROBLEM = record({"what": text(r"[a-z]+"), "reason": text(r"[a-z_]+"), "message": text(r"[^\n]+")})
MANIFEST = record(
    {
        "release": text(),
        "sequence": count,
        "content": text(r"blake3:[0-9a-f]{64}"),
        "keys": array(KEY_ID),
        "expires": nullable(TIMESTAMP),
        "overrides": array(text()),
    },
    {"created": TIMESTAMP, "expired": truth},
)
TREE = record(
    {
        "name": text(r"[A-Za-z0-9._-]{1,64}"),
        "root": text(r"/.*"),
        "verdict": VERDICT,
        "manifest": nullable(MANIFEST),
        "entries": count,
        "bytes": count,
        "seconds": seconds,
        "drift": array(FINDING),
        "unverified": array(UNVERIFIED),
    },
    {
        "problems": array(PROBLEM),
        "partial": truth,
        "deploying_from": nullable(text()),
        "pending": array(FINDING),
        "replay_checked": truth,
        "trust_reset": nullable(record({"at": TIMESTAMP, "reason": text()})),
    },
)
DOCUMENT = record(
    {"version": exactly(1), "host": text(), "verdict": VERDICT, "checked_at": TIMESTAMP, "trees": array(TREE)},
    {"replay_checked": truth},
)


def raw_path(item: dict[str, Any]) -> bytes:
    """The path's exact bytes: `path` itself where it could be written as text."""
    if "path_base64" not in item:
        return item["path"].encode("utf-8")
    raw = base64.b64decode(item["path_base64"], validate=True)
    assert item["path"] == escaped(raw), f"path {item['path']!r} is not {raw!r} escaped"
    return raw


def check_finding(finding: dict[str, Any]) -> None:
    kind, expected, actual, changes = (finding[name] for name in ("kind", "expected", "actual", "changes"))
    what = f"finding {finding}"
    assert (expected is None) == (kind == "added"), f"{what}: `expected` is null for what is added, and only for that"
    assert (actual is None) == (kind == "missing"), f"{what}: `actual` is null for what is missing, and only for that"
    assert len(set(changes)) == len(changes), f"{what}: a change twice"
    if kind == "type":
        assert expected["type"] != actual["type"], what
    if kind == "target":
        assert "target" in changes and expected["target"] != actual["target"], what
    if changes == ["release"]:
        assert finding["path"] == "." and expected["release"] != actual["release"], what
    elif kind == "modified":
        assert "content" in changes and expected["blake3"] != actual["blake3"], what
        assert ("size" in changes) == (expected.get("size") != actual.get("size")), what
        assert (actual["blake3"] is None) == ("size" in changes), f"{what}: content is read where the size is right"
    if kind == "metadata":
        assert changes and "content" not in changes and "size" not in changes, what
    raw_path(finding)


def verdict_of(drift: bool, unknown: bool) -> str:
    return "drift" if drift else "unknown" if unknown else "clean"


def _check_tree(tree: dict[str, Any]) -> None:
    pending = tree.get("pending", [])
    assert (tree.get("deploying_from") is not None) or not pending, "pending paths without a deploy"
    for finding in tree["drift"] + pending:
        check_finding(finding)
    paths = [raw_path(item) for item in tree["drift"] + pending + tree["unverified"]]
    assert len(set(paths)) == len(paths), f"a path twice: {sorted(paths)}"
    unestablished = bool(tree["unverified"] or pending or tree.get("problems")) or tree["manifest"] is None
    wanted = verdict_of(bool(tree["drift"]), unestablished)
    assert tree["verdict"] == wanted, f"verdict {tree['verdict']} of tree {tree['name']}, which is {wanted}"


EXIT_CODES = {"clean": 0, "drift": 2, "unknown": 1}


def validate(document: Any, exit_code: int) -> dict[str, Any]:
    """Returns the document, which is one the contract allows, and for this exit code."""
    DOCUMENT(document, "$")
    for tree in document["trees"]:
        _check_tree(tree)
    verdicts = {tree["verdict"] for tree in document["trees"]}
    unknown = "unknown" in verdicts or not verdicts
    wanted = verdict_of("drift" in verdicts, unknown)
    assert document["verdict"] == wanted, f"verdict {document['verdict']} of {verdicts}"
    assert EXIT_CODES[wanted] == exit_code, f"exit code {exit_code} with the verdict {wanted}"
    return document
