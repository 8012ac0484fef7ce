"""Who may include whom. Dependencies point one way: manifests <- scanner <- daemon (see ARCHITECTURE.md)."""

from collections.abc import Iterator

import pytest

# A layer, and the layers that it may include from. The release tool (CI only) stands beside the daemon (hosts only).
LAYERS: dict[str, set[str]] = {
    "manifests": {"manifests"},
    "scanner": {"manifests", "scanner"},
    "manifests/tool": {"manifests", "scanner", "manifests/tool"},
    "daemon": {"manifests", "scanner", "daemon"},
}

# Libraries that stay in some layers. The longest name decides; what is not listed may be used anywhere.
LIBRARIES: dict[str, set[str]] = {
    "CLI": {"daemon", "manifests/tool"},
    "archive": {"manifests/tool"},
    "archive_entry": {"manifests/tool"},
    "boost/asio": {"daemon"},
    "boost/beast": {"daemon"},
    "boost/json": {"daemon", "manifests/tool"},
    "doctest": set(),
    "fmt": {"daemon"},
    "prometheus": {"daemon"},
    "spdlog": {"daemon"},
    "sqlite3": {"daemon"},
    "systemd": {"daemon"},
    "yaml-cpp": {"daemon"},
    "zlib": {"manifests/tool"},
}


def layer_of(path: str) -> str | None:
    """None for tests and anything else outside the layers, which may include what they like."""
    return max((layer for layer in LAYERS if path.startswith(layer + "/")), key=len, default=None)


def library_of(header: str) -> str | None:
    stem = header.removesuffix(".hpp").removesuffix(".h")
    return max((name for name in LIBRARIES if stem == name or stem.startswith(name + "/")), key=len, default=None)


def violations(tree) -> Iterator[str]:
    for path in tree.cpp():
        layer = layer_of(path)
        if layer is None:
            continue
        for line, header, quote in tree.includes(path):
            where = f"{path}:{line}: {header}"
            target = layer_of(header)
            library = library_of(header)
            if target is not None:
                if target not in LAYERS[layer]:
                    allowed = ", ".join(sorted(LAYERS[layer]))
                    yield f"{where}: {layer} may not include from {target}, only from {allowed}"
                if quote == "<":
                    yield f'{where}: our own headers are written in "quotes"'
            elif library is not None:
                if layer not in LIBRARIES[library]:
                    allowed = ", ".join(sorted(LIBRARIES[library])) or "tests"
                    yield f"{where}: {library} is known in {allowed} only, not in {layer}"
            elif quote == '"':
                yield f"{where}: write our own headers from the repository's root, those of libraries in <>"


def cycle(tree) -> list[str]:
    """A chain of files that ends where it starts, or nothing."""
    files = set(tree.cpp())
    below = {path: [header for _, header, _ in tree.includes(path) if header in files] for path in files}
    done: set[str] = set()

    def descend(path: str, chain: list[str]) -> list[str]:
        if path in chain:
            return [*chain[chain.index(path) :], path]
        if path in done:
            return []
        for header in below[path]:
            if found := descend(header, [*chain, path]):
                return found
        done.add(path)
        return []

    return next((found for path in sorted(files) if (found := descend(path, []))), [])


def test_includes_point_one_way(tree) -> None:
    found = list(violations(tree))
    assert not found, "\n" + "\n".join(found)


def test_no_file_includes_itself_through_others(tree) -> None:
    found = cycle(tree)
    assert not found, " -> ".join(found)


@pytest.mark.parametrize(
    ("path", "include"),
    [
        ("manifests/a.hpp", '"scanner/b.hpp"'),
        ("manifests/a.hpp", '"daemon/b.hpp"'),
        ("manifests/a.hpp", '"manifests/tool/b.hpp"'),
        ("scanner/a.cpp", '"daemon/b.hpp"'),
        ("scanner/a.cpp", '"manifests/tool/b.hpp"'),
        ("scanner/a.cpp", '"tests/support/b.hpp"'),
        ("scanner/a.cpp", '"b.hpp"'),
        ("scanner/a.cpp", '"../daemon/b.hpp"'),
        ("scanner/a.cpp", "<scanner/b.hpp>"),
        ("manifests/tool/a.cpp", '"daemon/b.hpp"'),
        ("daemon/a.cpp", '"manifests/tool/b.hpp"'),
        ("daemon/web/a.cpp", '"manifests/tool/b.hpp"'),
        ("scanner/a.cpp", "<boost/asio.hpp>"),
        ("scanner/a.cpp", "<boost/asio/io_context.hpp>"),
        ("manifests/tool/a.cpp", "<boost/beast/http.hpp>"),
        ("manifests/a.cpp", "<boost/json.hpp>"),
        ("scanner/a.cpp", "<boost/json/value.hpp>"),
        ("scanner/a.cpp", "<spdlog/spdlog.h>"),
        ("manifests/tool/a.cpp", "<fmt/core.h>"),
        ("manifests/a.cpp", "<yaml-cpp/yaml.h>"),
        ("manifests/a.cpp", "<prometheus/registry.h>"),
        ("manifests/a.cpp", "<sqlite3.h>"),
        ("manifests/a.cpp", '"sqlite3.h"'),
        ("manifests/a.cpp", "<CLI/CLI.hpp>"),
        ("daemon/a.cpp", "<archive.h>"),
        ("manifests/a.cpp", "<archive_entry.h>"),
        ("daemon/a.cpp", "<doctest/doctest.h>"),
    ],
)
def test_finds_a_wrong_include(plant, path: str, include: str) -> None:
    planted = plant({path: f"#pragma once\n\n/* above */ #  include {include}  // why\n"})
    found = list(violations(planted))
    assert len(found) == 1, found
    assert found[0].startswith(f"{path}:3: {include[1:-1]}: ")


def test_takes_what_is_right(plant) -> None:
    planted = plant(
        {
            "manifests/a.hpp": "#include <boost/system/result.hpp>\n#include <archive_of_others.h>\n"
            '#include "manifests/b.hpp"\n',
            "manifests/blake3/a.cpp": '#include "manifests/a.hpp"\n',
            "scanner/a.cpp": '#include "scanner/a.hpp"\n#include <fcntl.h>\n#include "manifests/a.hpp"\n',
            "manifests/tool/a.cpp": '#include <CLI/CLI.hpp>\n#include <archive.h>\n#include <boost/json.hpp>\n'
            '#include "manifests/tool/b.hpp"\n#include "scanner/a.hpp"\n',
            "daemon/a.cpp": '#include <boost/asio.hpp>\n#include "daemon/b.hpp"\n#include "scanner/a.hpp"\n',
            "tests/unit/a.cpp": '#include "near.hpp"\n#include "daemon/b.hpp"\n#include "manifests/tool/b.hpp"\n',
            "scanner/quoted.cpp": '// #include "daemon/a.hpp"\nauto s = R"(\n#include "daemon/a.hpp"\n)";\n',
        }
    )
    assert not list(violations(planted))
    assert not cycle(planted)


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"a": "a"}, {"a"}),
        ({"a": "b", "b": "a"}, {"a", "b"}),
        ({"a": "bc", "b": "d", "c": "d", "d": "e", "e": "c"}, {"c", "d", "e"}),
        ({"a": "b", "b": "cd", "c": "", "d": "b"}, {"b", "d"}),
        ({"a": "bcd", "b": "cd", "c": "d", "d": ""}, set()),
        ({"a": "bc", "b": "d", "c": "d", "d": "", "e": "ad"}, set()),
    ],
)
def test_finds_a_cycle(plant, edges: dict[str, str], expected: set[str]) -> None:
    files = {
        f"scanner/{name}.hpp": "".join(f'#include "scanner/{other}.hpp"\n' for other in others)
        for name, others in edges.items()
    }
    found = cycle(plant(files))
    assert set(found) == {f"scanner/{name}.hpp" for name in expected}
    assert found[:1] == found[-1:]
