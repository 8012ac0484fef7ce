"""The edits of real people, each caught and named right by `--check` and by the daemon; undone, all is clean."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import django, edits
from support.checks import Found, check
from support.daemon import Daemon
from support.edits import EDITS, EXACT_EDITS, HARMLESS, Edit, Place
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.site import Site
from support.workdir import new_workdir

pytestmark = needs_root

EXACT = ("--mode", "exact", "--owner", "source")


@contextmanager
def edited_host(application: Path) -> Iterator[tuple[Site, dict[str, Place]]]:
    """Two copies of a real application: `app` built as CI does by default, `exact` with owners and modes."""
    with new_workdir() as directory:
        site = Site(directory)
        pristine = edits.make_pristine(application, directory / "pristine")
        places = {}
        for name, options in (("app", ()), ("exact", EXACT)):
            root = django.copy(pristine, directory / "srv" / name)
            (directory / f"outside-{name}").mkdir()
            places[name] = Place(root, pristine, directory / f"outside-{name}")
            site.release(site.tree(name, root), *options)
        yield site, places


@contextmanager
def made(edit: Edit, place: Place) -> Iterator[None]:
    """Taken back whatever happens, so that one failure stays one."""
    edit.do(place)
    try:
        yield
    finally:
        edit.take_back(place)


class TestCheck:
    @pytest.fixture(scope="class")
    def host(self, django_application: Path) -> Iterator[tuple[Site, dict[str, Place]]]:
        with edited_host(django_application) as host:
            yield host

    def assert_caught(self, host: tuple[Site, dict[str, Place]], name: str, edit: Edit) -> None:
        site, places = host
        with made(edit, places[name]):
            found = check(site, "--tree", name)
        assert found.kinds == {finding.path: finding.kind for finding in edit.expected}, str(found.result)
        assert_changes(found, edit)
        clean = check(site, "--tree", name)
        assert clean.document["verdict"] == "clean", f"after undoing\n{clean.result}"

    @pytest.mark.parametrize("edit", EDITS, ids=str)
    def test_edit(self, host: tuple[Site, dict[str, Place]], edit: Edit) -> None:
        self.assert_caught(host, "app", edit)

    @pytest.mark.parametrize("edit", EXACT_EDITS, ids=str)
    def test_edit_of_an_exact_tree(self, host: tuple[Site, dict[str, Place]], edit: Edit) -> None:
        self.assert_caught(host, "exact", edit)

    @pytest.mark.parametrize("edit", HARMLESS, ids=str)
    def test_harmless(self, host: tuple[Site, dict[str, Place]], edit: Edit) -> None:
        self.assert_caught(host, "app", edit)

    def test_what_is_below_a_directory_is_counted(self, host: tuple[Site, dict[str, Place]]) -> None:
        site, places = host
        place = places["app"]
        edit = next(edit for edit in EDITS if edit.name == "a directory renamed")
        below = len(list(place.path("core/mail").rglob("*")))
        with made(edit, place):
            found = check(site, "--tree", "app")
        assert [found.finding(finding.path)["below"] for finding in edit.expected] == [below, below], str(found.result)

    def test_checking_writes_nothing(self, host: tuple[Site, dict[str, Place]]) -> None:
        site, _ = host
        site.write_config()
        places = [site.directory / name for name in ("state", "run", "manifests", "trust.d", "srv")]
        before = [listing(place) for place in places]
        check(site)
        assert [listing(place) for place in places] == before

    def test_checking_leaves_access_times_alone(self, host: tuple[Site, dict[str, Place]]) -> None:
        site, places = host
        file = places["app"].path(edits.SETTINGS)
        long_ago = 1_000_000_000
        os.utime(file, (long_ago, file.stat().st_mtime))
        check(site)
        assert file.stat().st_atime == long_ago


def assert_changes(found: Found, edit: Edit) -> None:
    for finding in edit.expected:
        changes = found.finding(finding.path)["changes"]
        assert finding.change is None or finding.change in changes, f"{finding.change} not among {changes}"


def listing(directory: Path) -> list[tuple[str, int, int]]:
    """Names with sizes and the times of the last write."""
    paths = [directory, *sorted(directory.rglob("*"))]
    return [(str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths]


class TestDaemon:
    """By events alone: the next scan is half an hour away."""

    @pytest.fixture(scope="class")
    def host(self, django_application: Path) -> Iterator[tuple[Daemon, dict[str, Place]]]:
        with edited_host(django_application) as (site, places):
            if not kernel_can_watch(site.directory):
                pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")
            with Daemon(site) as daemon:
                page = daemon.wait_ready().metrics()
                assert page.value("driftd_watch_active", tree="app", mode="events") == 1, page.text
                for name in places:
                    daemon.wait_for_drift(name, {})
                yield daemon, places

    def assert_caught(self, host: tuple[Daemon, dict[str, Place]], name: str, edit: Edit) -> None:
        daemon, places = host
        with made(edit, places[name]):
            daemon.wait_for_drift(name, edit.kinds)
        daemon.wait_for_drift(name, {})

    @pytest.mark.parametrize("edit", EDITS, ids=str)
    def test_edit(self, host: tuple[Daemon, dict[str, Place]], edit: Edit) -> None:
        self.assert_caught(host, "app", edit)

    @pytest.mark.parametrize("edit", EXACT_EDITS, ids=str)
    def test_edit_of_an_exact_tree(self, host: tuple[Daemon, dict[str, Place]], edit: Edit) -> None:
        self.assert_caught(host, "exact", edit)

    def test_harmless_edits_are_no_drift(self, host: tuple[Daemon, dict[str, Place]]) -> None:
        """The file written last is found, so what was done before it has been looked at, and found to be nothing."""
        daemon, places = host
        for edit in HARMLESS:
            edit.do(places["app"])
        last = places["app"].path("last")
        last.write_text("x\n")
        daemon.wait_for_drift("app", {"added": 1})
        for edit in HARMLESS:
            edit.take_back(places["app"])
        last.unlink()
        daemon.wait_for_drift("app", {})
