"""Runs programs, ours and others. A sanitizer's report in what ours print fails the test, whatever it was about."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("DRIFTD_BUILD", REPOSITORY / "build")).resolve()
DRIFTD = BUILD / "daemon" / "driftd"
MANIFEST_TOOL = BUILD / "manifests" / "tool" / "driftd-manifest"

CLEAN, COULD_NOT_JUDGE, DRIFT, USAGE = 0, 1, 2, 64

# Not 1, which is ASan's default and an exit code of ours with a meaning.
SANITIZER_EXIT_CODE = 86
SANITIZER_REPORTS = (
    b"ERROR: AddressSanitizer",
    b"ERROR: LeakSanitizer",
    b"WARNING: ThreadSanitizer",
    b"WARNING: MemorySanitizer",
    b"runtime error:",
)


def environment(**extra: str) -> dict[str, str]:
    """A small one: nothing of the caller's systemd, locale or build settings reaches the program."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "ASAN_SYMBOLIZER_PATH") if name in os.environ}
    for sanitizer in ("ASAN", "LSAN", "TSAN", "UBSAN"):
        theirs = os.environ.get(f"{sanitizer}_OPTIONS", "")
        kept[f"{sanitizer}_OPTIONS"] = ":".join(filter(None, [theirs, f"exitcode={SANITIZER_EXIT_CODE}"]))
    kept["UBSAN_OPTIONS"] += ":print_stacktrace=1"
    kept["PATH"] = f"{kept.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # setcap
    return kept | {"LANG": "C.UTF-8", "TZ": "UTC"} | extra


def assert_no_sanitizer_report(output: bytes, who: str) -> None:
    for report in SANITIZER_REPORTS:
        if report in output:
            raise AssertionError(f"sanitizer report from {who}:\n{printable(output)}")


def printable(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"duplicate key among {keys}")
    return dict(pairs)


def strict_json(data: bytes) -> Any:
    """Python's reader takes more than JSON is; this takes UTF-8, unique keys and finite numbers only."""
    return json.loads(data.decode("utf-8"), parse_constant=_reject_constant, object_pairs_hook=_reject_duplicates)


@dataclass(frozen=True)
class Result:
    command: str
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        return printable(self.stdout)

    @property
    def err(self) -> str:
        return printable(self.stderr)

    def json(self) -> Any:
        __tracebackhide__ = True
        try:
            return strict_json(self.stdout)
        except ValueError as error:
            raise AssertionError(f"not JSON ({error})\n{self}") from None

    def expect(self, code: int) -> "Result":
        __tracebackhide__ = True
        assert self.code == code, f"exit code {self.code}, expected {code}\n{self}"
        return self

    def __str__(self) -> str:
        return f"$ {self.command}\n--- stdout\n{self.out}--- stderr\n{self.err}--- exit code {self.code}"


def run(
    command: Sequence[str | bytes | Path],
    *,
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60,
    umask: int = 0o022,
) -> Result:
    """Standard input is never a terminal and never open-ended, so nothing can wait for an answer."""
    shown = " ".join(os.fsdecode(word) for word in command)
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, env=env or environment(), cwd=cwd, timeout=timeout, umask=umask
        )
    except subprocess.TimeoutExpired as late:
        partial = printable((late.stdout or b"") + (late.stderr or b""))
        raise AssertionError(f"still running after {timeout:g} s: {shown}\n{partial}") from late
    result = Result(shown, done.returncode, done.stdout, done.stderr)
    assert_no_sanitizer_report(result.stderr + result.stdout, shown)
    assert result.code not in (SANITIZER_EXIT_CODE,) and result.code >= 0, f"died\n{result}"
    return result


def driftd(*arguments: str | bytes | Path, **how: Any) -> Result:
    return run([DRIFTD, *arguments], **how)


def manifest_tool(*arguments: str | bytes | Path, **how: Any) -> Result:
    return run([MANIFEST_TOOL, *arguments], **how)


def succeed(command: Sequence[str | bytes | Path], **how: Any) -> Result:
    """For the tools that make a test's input: what they cannot do is not the test's subject."""
    return run(command, **how).expect(0)
