"""The shape of the source tree: what may stand where, and what no file may hold."""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import pytest

LAYERS = ("daemon", "manifests", "scanner")
TOP_LEVEL = {
    *LAYERS,
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "meson.build",
    "meson_options.txt",
    "packaging",
    "systemd",
    "tests",
}
MAX_LINES = 450
TEXT = {".build", ".cpp", ".hpp", ".md", ".py", ".service", ".sh", ".yaml", ".yml"}
# What a test feeds to a program is as ugly as it has to be.
TEST_DATA = {"corpus", "data", "fixtures", "golden", "vectors"}

_NAMESPACE = re.compile(r"\bnamespace[ \t]+([A-Za-z_][A-Za-z0-9_:]*)\s*\{")
_MAIN = re.compile(r"^int main\(", re.MULTILINE)
_RUNS_A_PROGRAM = re.compile(r"(?<![\w.>:])(?:std::|::)?(system|popen|posix_spawnp?|f?exec[lv]\w*)\s*\(")
_UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")


def product_cpp(tree) -> list[str]:
    return [path for path in tree.cpp() if not path.startswith("tests/")]


def text_files(tree) -> list[str]:
    written = {path for path in tree.files if PurePosixPath(path).suffix in TEXT} | set(tree.shell_scripts())
    return sorted(path for path in written if not TEST_DATA & set(PurePosixPath(path).parent.parts))


def lines_with(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[0]


def strangers_at_the_top(tree) -> Iterator[str]:
    for name in sorted({path.split("/", 1)[0] for path in tree.files}):
        if name not in TOP_LEVEL and not name.startswith("."):
            yield f"{name}: does not belong at the top level"


def odd_names(tree) -> Iterator[str]:
    for path in tree.files:
        name = PurePosixPath(path)
        if name.suffix.lower() in {".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".inl", ".ipp"}:
            if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\.(cpp|hpp)", name.name):
                yield f"{path}: C++ files are named snake_case.hpp or snake_case.cpp"


def unguarded_headers(tree) -> Iterator[str]:
    for path in tree.cpp():
        if path.endswith(".hpp") and not tree.text(path).startswith("#pragma once\n"):
            yield f"{path}:1: a header starts with #pragma once"


def long_files(tree) -> Iterator[str]:
    for path in product_cpp(tree):
        count = tree.text(path).count("\n")
        if count >= MAX_LINES:
            yield f"{path}: {count} lines; from {MAX_LINES} on a file holds two things: split it"


def foreign_namespaces(tree) -> Iterator[str]:
    for path in product_cpp(tree):
        if not path.startswith(tuple(f"{layer}/" for layer in LAYERS)):
            continue
        expected = "::".join(["driftd", *PurePosixPath(path).parent.parts])
        code = tree.code(path)
        ours = [(line, name) for line, name in namespaces(code) if name.split("::")[0] == "driftd"]
        # main() is nobody's; neither is a file of nothing but #includes, which compiles a library's own sources.
        directives_only = not re.sub(r"^[ \t]*#[^\n]*$", "", code, flags=re.MULTILINE).strip()
        if not ours and not directives_only and not _MAIN.search(code):
            yield f"{path}: nothing in it is in namespace {expected}"
        for line, name in ours:
            if name != expected and not name.startswith(expected + "::"):
                yield f"{path}:{line}: namespace {name} instead of {expected}"


def namespaces(code: str) -> Iterator[tuple[int, str]]:
    for match in _NAMESPACE.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, match[1]


def using_namespaces(tree) -> Iterator[str]:
    for path in tree.cpp():
        if path.endswith(".hpp"):
            for line, _ in lines_with(re.compile(r"\busing\s+namespace\b"), tree.code(path)):
                yield f"{path}:{line}: using namespace in a header reaches everybody who includes it"


def programs_run(tree) -> Iterator[str]:
    for path in product_cpp(tree):
        for line, call in lines_with(_RUNS_A_PROGRAM, tree.code(path)):
            yield f"{path}:{line}: {call}...): neither program ever runs another"


def unfinished(tree) -> Iterator[str]:
    for path in text_files(tree):
        for line, word in lines_with(_UNFINISHED, tree.text(path)):
            yield f"{path}:{line}: {word}: do it, or open an issue"


def stray_white_space(tree) -> Iterator[str]:
    for path in text_files(tree):
        text = tree.text(path)
        for number, line in enumerate(text.split("\n"), start=1):
            if "\t" in line:
                yield f"{path}:{number}: a tab"
            if line != line.rstrip():
                yield f"{path}:{number}: white space at the end of the line"
        if text and not text.endswith("\n"):
            yield f"{path}: no newline at the end"


CHECKS = (
    strangers_at_the_top,
    odd_names,
    unguarded_headers,
    long_files,
    foreign_namespaces,
    using_namespaces,
    programs_run,
    unfinished,
    stray_white_space,
)


@pytest.mark.parametrize("check", CHECKS)
def test_tree(tree, check: Callable[..., Iterator[str]]) -> None:
    found = list(check(tree))
    assert not found, "\n" + "\n".join(found)


IN_SCANNER = "namespace driftd::scanner {\n%s\n}\n"


@pytest.mark.parametrize(
    ("check", "path", "text"),
    [
        (strangers_at_the_top, "notes.txt", ""),
        (strangers_at_the_top, "src/main.cpp", ""),
        (odd_names, "scanner/SafeOpen.cpp", ""),
        (odd_names, "scanner/safe-open.cpp", ""),
        (odd_names, "scanner/safe_open.h", ""),
        (odd_names, "tests/unit/test_scan.cc", ""),
        (unguarded_headers, "scanner/a.hpp", ""),
        (unguarded_headers, "scanner/a.hpp", "// A.\n#pragma once\n"),
        (unguarded_headers, "tests/support/a.hpp", "#ifndef A\n"),
        (long_files, "scanner/a.cpp", "\n" * MAX_LINES),
        (foreign_namespaces, "scanner/a.cpp", "int a;\n"),
        (foreign_namespaces, "scanner/a.cpp", "// namespace driftd::scanner {\nint a;\n"),
        (foreign_namespaces, "scanner/a.cpp", "namespace driftd::daemon {}\n"),
        (foreign_namespaces, "scanner/a.cpp", "namespace driftd { namespace scanner {}}\n"),
        (foreign_namespaces, "manifests/tool/a.cpp", "namespace driftd::manifests {}\n"),
        (foreign_namespaces, "daemon/main.cpp", "namespace driftd::scanner {}\nint main() {}\n"),
        (using_namespaces, "scanner/a.hpp", "#pragma once\nusing namespace std;\n"),
        (programs_run, "scanner/a.cpp", IN_SCANNER % "void a() { system(b); }"),
        (programs_run, "scanner/a.cpp", IN_SCANNER % "void a() { std::system(b); }"),
        (programs_run, "scanner/a.cpp", IN_SCANNER % "void a() { ::popen (b, c); }"),
        (programs_run, "scanner/a.cpp", IN_SCANNER % "void a() { execvp(b, c); }"),
        (programs_run, "scanner/a.cpp", IN_SCANNER % "void a() { posix_spawn(b); }"),
        (unfinished, "scanner/a.cpp", "// TO" + "DO: more\n"),
        (unfinished, "packaging/a.sh", "# FIX" + "ME\n"),
        (stray_white_space, "scanner/a.cpp", "int a; \n"),
        (stray_white_space, "scanner/a.cpp", "\tint a;\n"),
        (stray_white_space, "scanner/a.cpp", "int a;\r\n"),
        (stray_white_space, "scanner/a.cpp", "int a;"),
        (stray_white_space, ".ci/run", "#!/bin/sh\ntrue \n"),
    ],
)
def test_finds_what_is_wrong(plant, check: Callable[..., Iterator[str]], path: str, text: str) -> None:
    found = list(check(plant({path: text})))
    assert len(found) == 1, found
    assert found[0].startswith(path.split("/")[0] if check is strangers_at_the_top else f"{path}:"), found


def test_takes_what_is_right(plant) -> None:
    planted = plant(
        {
            ".ci/run": "#!/bin/sh\ntrue\n",
            "build-asan/CMakeCache.cc": "\t",
            "daemon/boost_json.cpp": "#include <boost/json/src.hpp>  // once\n",
            "daemon/main.cpp": "int main() {}\n",
            "daemon/notify.cpp": "namespace driftd::daemon::notify {}\n",
            "manifests/tool/a.hpp": "#pragma once\n\nnamespace driftd::manifests::tool {}\n",
            "scanner/a_2.cpp": "// Not system(3).\n"
            + IN_SCANNER
            % 'namespace fs = std::filesystem;\nauto a = boost::system::error_code(b.system(1)); auto s = "popen(1)";\n'
            "using namespace std::chrono_literals; int executable(int file_system(int)), n = 1'000'000;",
            "tests/data/config.yaml": "\t \n",
            "tests/unit/test_a.cpp": "\n" * MAX_LINES,
        }
    )
    assert [found for check in CHECKS for found in check(planted)] == []
