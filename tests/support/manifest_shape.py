"""The documented shape of a manifest as JSON (`show --json`, `export --format json`) and of `diff --json`."""

import base64
from typing import Any

from support.json_shape import BASE64, DIGEST, MODE, TIMESTAMP, array, choice, count, exactly, nullable, record, text, truth
from support.safe_output import escaped

CONTENT = text(r"blake3:[0-9a-f]{64}")
HEADER_FIELDS = {
    "name": text(r"[A-Za-z0-9._-]{1,64}"),
    "release": text(),
    "sequence": count,
    "created": TIMESTAMP,
    "expires": nullable(TIMESTAMP),
    "source": nullable(text()),
    "artifact": nullable(text()),
    "pipeline": nullable(text()),
    "overrides": array(text()),
    "labels": array(record({"key": text(), "value": text(r"(?s).*")})),
    "mutable": array(text()),
    "content": CONTENT,
    "entry_count": count,
}
ENTRY = record(
    {"path": text(), "type": choice({"file", "directory", "symlink"})},
    {
        "path_base64": text(BASE64),
        "size": count,
        "blake3": DIGEST,
        "sha256": DIGEST,
        "mode": MODE,
        "executable": truth,
        "owner": text(),
        "uid": count,
        "group": text(),
        "gid": count,
        "target": text(),
        "target_base64": text(BASE64),
        "capability_base64": text(BASE64),
        "acl": DIGEST,
        "optional": exactly(True),
        "ignore": exactly(True),
    },
)
MANIFEST_DOCUMENT = record(
    {"version": exactly(1), "signature_checked": exactly(False), "entries": array(ENTRY), **HEADER_FIELDS}
)
CHANGES = {"type", "size", "content", "blake3", "sha256", "mode", "executable", "owner", "group", "target"}
CHANGES |= {"capability", "acl", "optional", "ignore"}
DIFF_DOCUMENT = record(
    {
        "version": exactly(1),
        "signature_checked": exactly(False),
        "same": truth,
        "old": record(HEADER_FIELDS),
        "new": record(HEADER_FIELDS),
        "mutable": record({"added": array(text()), "removed": array(text()), "reordered": truth}),
        "differences": array(
            record(
                {
                    "kind": choice({"added", "removed", "changed"}),
                    "changes": array(choice(CHANGES)),
                    "old": nullable(ENTRY),
                    "new": nullable(ENTRY),
                }
            )
        ),
    }
)


def exact(entry: dict[str, Any], key: str) -> bytes:
    """The exact bytes of `path` or `target`."""
    if f"{key}_base64" not in entry:
        return entry[key].encode("utf-8")
    raw = base64.b64decode(entry[f"{key}_base64"], validate=True)
    assert entry[key] == escaped(raw), f"{key} {entry[key]!r} is not {raw!r} escaped"
    return raw


def validate_manifest(document: Any) -> dict[bytes, dict[str, Any]]:
    """The entries by their exact paths."""
    MANIFEST_DOCUMENT(document, "$")
    entries = {exact(entry, "path"): entry for entry in document["entries"]}
    assert len(entries) == len(document["entries"]) == document["entry_count"]
    return entries
