"""Fixtures of the end-to-end tests: the built programs against real files and other people's real tools.

The programs are found in $DRIFTD_BUILD, a Meson build directory (default: build/ in the repository).
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import django  # noqa: E402
from support.programs import BUILD, DRIFTD, MANIFEST_TOOL  # noqa: E402
from support.site import Site, Tree, small_application  # noqa: E402
from support.workdir import new_workdir  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def built_programs() -> None:
    absent = [str(program) for program in (DRIFTD, MANIFEST_TOOL) if not program.is_file()]
    if absent:
        pytest.exit(f"not built: {', '.join(absent)}; run `meson compile -C {BUILD}` or set DRIFTD_BUILD", returncode=3)


@pytest.fixture(scope="session", autouse=True)
def usual_umask() -> None:
    """Some tests look at modes, and some at what another user can read."""
    os.umask(0o022)


@pytest.fixture
def workdir() -> Iterator[Path]:
    with new_workdir() as directory:
        yield directory


@pytest.fixture
def site(workdir: Path) -> Site:
    return Site(workdir)


@pytest.fixture
def app(site: Site) -> Tree:
    """A small application with its release v1 in force."""
    tree = site.tree("app")
    small_application(tree.root)
    site.release(tree)
    return tree


@pytest.fixture(scope="session")
def django_application() -> Path:
    """Never to be changed."""
    return django.application()
