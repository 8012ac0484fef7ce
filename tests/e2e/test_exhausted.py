"""Where memory, threads or standard error run out there is one line where it can be written, never a verdict that
nobody could make, and never a death by a signal."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.marks import needs_root
from support.programs import (
    CLEAN,
    COULD_NOT_JUDGE,
    DRIFT,
    DRIFTD,
    MANIFEST_TOOL,
    USAGE,
    Result,
    environment,
    run,
)
from support.site import Site, Tree, write_files

NAGIOS_UNKNOWN = 3


def without_error_output(*command: str | Path) -> Result:
    return run(["sh", "-c", 'exec "$@" 2>/dev/full', "sh", *command])


def without_output(*command: str | Path) -> Result:
    return run(["sh", "-c", 'exec "$@" >/dev/full', "sh", *command])


# ---- a standard error that is full

UNTOLD: dict[str, tuple[list[str], int]] = {
    "check": (["check", "--config", "/none"], COULD_NOT_JUDGE),
    "check as a plugin": (["check", "--nagios", "--config", "/none"], NAGIOS_UNKNOWN),
    "check of nothing": (["check", "--root", "/none", "--manifest", "/none", "--trust", "/none"], COULD_NOT_JUDGE),
    "wrong usage": (["check", "--frobnicate"], USAGE),
    "explain": (["explain", "--config", "/none", "/"], COULD_NOT_JUDGE),
    "status": (["status", "--config", "/none"], COULD_NOT_JUDGE),
    "scan now": (["scan", "now", "--config", "/none"], COULD_NOT_JUDGE),
    "config check": (["config", "check", "--config", "/none"], COULD_NOT_JUDGE),
    "trust reset": (["trust", "reset", "--tree", "a", "--reason", "b", "--config", "/none"], COULD_NOT_JUDGE),
    "run": (["run", "--config", "/none"], COULD_NOT_JUDGE),
}


@pytest.mark.parametrize("case", UNTOLD)
def test_what_cannot_be_told_is_in_the_exit_code(case: str) -> None:
    arguments, code = UNTOLD[case]
    without_error_output(DRIFTD, *arguments).expect(code)


@pytest.mark.skipif(Path("/etc/driftd/driftd.yaml").exists(), reason="this host has a configuration")
@pytest.mark.parametrize("command", [["check"], ["status"], ["scan", "now"]], ids=" ".join)
def test_whoever_has_no_configuration_and_no_standard_error(command: list[str]) -> None:
    without_error_output(DRIFTD, *command).expect(COULD_NOT_JUDGE)


TOOL_UNTOLD: dict[str, tuple[list[str], int]] = {
    "verify": (["verify", "-p", "/none", "/none"], COULD_NOT_JUDGE),
    "import": (["import", "--format", "mtree", "--name", "a", "--release", "1", "--sequence", "1", "/none"], 1),
    "wrong usage": (["frobnicate"], USAGE),
}


@pytest.mark.parametrize("case", TOOL_UNTOLD)
def test_what_the_release_tool_cannot_tell_is_in_the_exit_code(case: str) -> None:
    arguments, code = TOOL_UNTOLD[case]
    without_error_output(MANIFEST_TOOL, *arguments).expect(code)


@needs_root
def test_a_problem_that_cannot_be_told_leaves_the_verdict(site: Site, app: Tree) -> None:
    check: list[str | Path] = [DRIFTD, "check", "--config", site.write_config()]
    write_files(app.root, {"app.py": "edited\n"})
    bad = site.tree("bad")
    site.write_config()
    assert "DRIFT" in without_error_output(*check).expect(DRIFT).out
    without_error_output(*check, "--tree", bad.name).expect(COULD_NOT_JUDGE)


# ---- an answer that nobody could read


def test_an_answer_that_cannot_be_written_is_none(site: Site, app: Tree) -> None:
    config = site.write_config()
    for arguments in (["config", "check", "--config", config], ["--version"], ["--help"], ["check", "--help"]):
        result = without_output(DRIFTD, *arguments).expect(COULD_NOT_JUDGE)
        assert "standard output: No space left on device" in result.err, str(result)
    for option in ("--version", "--help"):
        without_output(MANIFEST_TOOL, option).expect(COULD_NOT_JUDGE)


# ---- no thread


@pytest.fixture
def crowded(site: Site, app: Tree) -> Callable[..., Result]:
    """Runs a program as a user who may have as many threads and processes as are given."""
    for program in (DRIFTD, MANIFEST_TOOL):
        shutil.copy(program, site.directory / program.name).chmod(0o755)
    nobody_else = "64321"  # whose processes are counted

    def run_crowded(program: Path, *arguments: str | Path, threads: int) -> Result:
        env = environment(**site.directories())
        env["ASAN_OPTIONS"] += ":detect_leaks=0"  # which takes a thread
        who = ["setpriv", f"--reuid={nobody_else}", f"--regid={nobody_else}", "--clear-groups", "--no-new-privs"]
        limited = ["prlimit", f"--nproc={threads}", *who, site.directory / program.name, *arguments]
        return run(limited, env=env, cwd=site.directory)

    return run_crowded


def free_form(site: Site, app: Tree) -> list[str | Path]:
    return ["--root", app.root, "--manifest", app.manifest, "--trust", site.keys.public]


@needs_root
@pytest.mark.parametrize("threads", range(1, 8))
def test_a_check_without_threads_is_no_verdict(
    site: Site, app: Tree, crowded: Callable[..., Result], threads: int
) -> None:
    where = free_form(site, app)
    checked = crowded(DRIFTD, "check", *where, "--threads", "4", threads=threads)
    assert checked.code == CLEAN or threads < 4, f"a few threads are enough\n{checked}"
    if checked.code != CLEAN:
        assert checked.expect(COULD_NOT_JUDGE).stdout == b""
        assert len(checked.stderr.splitlines()) == 1 and "ulimit -u" in checked.err, str(checked)
    plugin = crowded(DRIFTD, "check", *where, "--threads", "4", "--nagios", threads=threads)
    if plugin.code != CLEAN:
        plugin.expect(NAGIOS_UNKNOWN)
        assert plugin.out.startswith("DRIFTD UNKNOWN - ") and plugin.err == "", str(plugin)
    explained = crowded(DRIFTD, "explain", *where, app.root / "app.py", threads=threads)
    assert explained.code in (CLEAN, COULD_NOT_JUDGE), str(explained)


@needs_root
def test_a_check_for_which_there_is_no_thread_at_all(
    site: Site, app: Tree, crowded: Callable[..., Result]
) -> None:
    crowded(DRIFTD, "check", *free_form(site, app), threads=1).expect(COULD_NOT_JUDGE)


@needs_root
def test_a_daemon_without_threads_says_so(site: Site, app: Tree, crowded: Callable[..., Result]) -> None:
    config = site.write_config()
    refused = crowded(DRIFTD, "run", "--config", config, threads=1).expect(COULD_NOT_JUDGE)
    assert "Resource temporarily unavailable" in refused.err, str(refused)


@needs_root
def test_a_release_is_built_with_the_threads_that_there_are(
    site: Site, app: Tree, crowded: Callable[..., Result]
) -> None:
    identity = ["--name", "app", "--release", "1", "--sequence", "1"]
    crowded(MANIFEST_TOOL, "build", *identity, "--threads", "4", app.root, threads=1).expect(CLEAN)


# ---- no memory


def is_sanitized() -> bool:
    """AddressSanitizer reserves terabytes, and lets no program go on without memory."""
    return b"__asan_init" in DRIFTD.read_bytes()


@pytest.mark.skipif(is_sanitized(), reason="AddressSanitizer knows no limit of memory")
@pytest.mark.parametrize("option", ["", "--nagios"])
def test_without_memory_there_is_no_verdict(site: Site, app: Tree, option: str) -> None:
    """From hardly enough to load the program on."""

    def limited(kib: int, *arguments: str | Path) -> list[str | Path]:
        return ["sh", "-c", f'ulimit -v {kib}; exec "$@"', "sh", DRIFTD, *arguments]

    def is_loaded(kib: int) -> bool:
        return subprocess.run(limited(kib, "--version"), capture_output=True, check=False).returncode == 0

    least = next(kib for kib in range(6_000, 400_000, 1_000) if is_loaded(kib))
    where = [*free_form(site, app), *filter(None, [option])]
    codes = set()
    for kib in range(least, least + 200_000, 1_000):
        result = run(limited(kib, "check", *where))
        codes.add(result.code)
        if result.code == CLEAN:
            continue
        result.expect(NAGIOS_UNKNOWN if option else COULD_NOT_JUDGE)
        said = result.out if option else result.err
        assert len(said.splitlines()) == 1 and ("memory" in said or "ulimit" in said), str(result)
    assert len(codes) == 2, "the limits hit nothing, or everything"
