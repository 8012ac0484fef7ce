"""C++ is formatted by .clang-format, and .clang-tidy gives a reason for each check that is off."""

import re
import subprocess

import pytest


def test_cpp_is_formatted(tree, tool, run) -> None:
    clang_format = tool("clang-format")
    files = tree.cpp()
    if not files:
        pytest.skip("no C++ here")
    result = run(clang_format, "--dry-run", "--Werror", *files)
    unformatted = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error:", result.stderr, re.MULTILINE)))
    assert result.returncode == 0, f"run `clang-format -i {' '.join(unformatted)}`\n{result.stderr[:4000]}"


def reasons(text: str) -> list[str]:
    return re.findall(r"^# ([a-z]+(?:-[\w.]+)+): \S", text, re.MULTILINE)


def disabled(text: str) -> list[str]:
    return re.findall(r"^  -([a-z]+(?:-[\w.]+)+),?$", text, re.MULTILINE)


def test_every_check_that_is_off_has_a_reason(tree) -> None:
    text = tree.text(".clang-tidy")
    assert disabled(text)
    assert reasons(text) == disabled(text)


def test_clang_tidy_understands_its_configuration(tree, tool, run) -> None:
    clang_tidy = tool("clang-tidy")

    def checks(*arguments: str) -> set[str]:
        result: subprocess.CompletedProcess[str] = run(clang_tidy, *arguments, "--list-checks")
        # It exits 0 on a configuration that it cannot read, and says so.
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        return set(result.stdout.split()[2:])

    on = checks("--config-file=.clang-tidy")
    every = checks("--checks=*")
    off = set(disabled(tree.text(".clang-tidy")))
    assert len(on) > 100
    assert off <= every, f"clang-tidy knows no {off - every}"
    assert not off & on
