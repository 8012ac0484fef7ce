"""The helpers that every other test relies on to fail when it should."""

import copy
import sys
from typing import Any

import pytest

from support import metrics
from support.json_shape import validate
from support.programs import run, strict_json
from support.safe_output import assert_safe, escaped
from support.waiting import wait_until

REPORTS = ("==1==ERROR: AddressSanitizer: x", "==1==ERROR: LeakSanitizer: x", "a.cpp:1:1: runtime error: x")


@pytest.mark.parametrize("report", REPORTS)
def test_a_sanitizer_report_fails_whatever_the_exit_code(report: str) -> None:
    with pytest.raises(AssertionError, match="sanitizer report"):
        run([sys.executable, "-c", f"import sys; sys.stderr.write({report!r})"])


def test_a_crash_fails() -> None:
    with pytest.raises(AssertionError, match="died"):
        run([sys.executable, "-c", "import os; os.abort()"])


def test_a_hang_fails() -> None:
    with pytest.raises(AssertionError, match="still running"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_a_wait_tells_what_it_saw_last() -> None:
    with pytest.raises(AssertionError, match="seven\nlast seen: 3"):
        wait_until(lambda: 3, lambda seen: seen == 7, "seven", seconds=0.1)


@pytest.mark.parametrize("output", [b"\x1b[31m", b"a\tb", b"\xff", "\u202e".encode(), "\u200b".encode(), b"\xc2\x9b"])
def test_unsafe_output_is_noticed(output: bytes) -> None:
    with pytest.raises(AssertionError):
        assert_safe(output, "output")


def test_escaping() -> None:
    assert escaped(b"a\\b\x1b\n\xff") == r"a\\b\x1b\x0a\xff"
    assert escaped("\u00e9\u009b\u202e".encode()) == "\u00e9" + r"\u009b\u202e"


PAGES = ("a 1", "a 1\na 2\n", 'a{b="c"d="e"} 1\n', 'a{b="\\x"} 1\n', "a one\n", "a  1\n", "# TYPE a gauge\n" * 2)


@pytest.mark.parametrize("page", PAGES)
def test_a_wrong_metrics_page_is_noticed(page: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        metrics.parse(page)


def test_a_metrics_page_is_read() -> None:
    page = metrics.parse('# HELP a Help.\n# TYPE a gauge\na{t="x\\"\\n\\\\",u=""} 1.5\nb +Inf\n')
    assert page.value("a", t='x"\n\\', u="") == 1.5 and page.number("b") == float("inf")


@pytest.mark.parametrize("text", [b'{"a": 1, "a": 2}', b'{"a": NaN}', b'{"a": "\xff"}', b"{} {}", b""])
def test_what_is_not_quite_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        strict_json(text)


DOCUMENT: dict[str, Any] = {
    "version": 1,
    "host": "web-3",
    "verdict": "drift",
    "checked_at": "2026-11-22T10:00:00Z",
    "trees": [
        {
            "name": "myapp",
            "root": "/srv/myapp",
            "verdict": "drift",
            "manifest": {
                "release": "v103",
                "sequence": 103,
                "content": "blake3:" + "0" * 64,
                "keys": ["379A90A0379A90A0"],
                "expires": None,
                "overrides": [],
            },
            "entries": 12034,
            "bytes": 181203344,
            "seconds": 0.41,
            "drift": [
                {
                    "path": "config/settings.py",
                    "kind": "modified",
                    "changes": ["content", "size"],
                    "expected": {"size": 812, "blake3": "1" * 64},
                    "actual": {"size": 816, "blake3": None},
                }
            ],
            "unverified": [{"path": "var/secret", "reason": "permission"}],
        }
    ],
}


def test_the_documented_document_is_valid() -> None:
    validate(DOCUMENT, 2)


WRONG = {
    "a field more": lambda document, tree, finding: document.update(more=1),
    "a field missing": lambda document, tree, finding: tree.pop("unverified"),
    "clean with drift": lambda document, tree, finding: tree.update(verdict="clean"),
    "all clean with drift": lambda document, tree, finding: document.update(verdict="clean"),
    "another kind": lambda document, tree, finding: finding.update(kind="changed"),
    "a number as text": lambda document, tree, finding: tree.update(entries="12034"),
    "true for a number": lambda document, tree, finding: document.update(version=True),
    "nothing expected": lambda document, tree, finding: finding.update(expected=None),
    "a path twice": lambda document, tree, finding: tree["drift"].append(copy.deepcopy(finding)),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_document_is_noticed(case: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    WRONG[case](document, document["trees"][0], document["trees"][0]["drift"][0])
    with pytest.raises(AssertionError):
        validate(document, 2)


def test_a_wrong_exit_code_is_noticed() -> None:
    with pytest.raises(AssertionError, match="exit code"):
        validate(DOCUMENT, 1)
