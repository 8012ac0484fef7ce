"""Trees at the edge: very deep, very wide, very large, and hosts that have run out of descriptors."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.checks import Found, check, parse
from support.daemon import Daemon
from support.marks import needs_root
from support.mounts import may_mount, require_mounts
from support.programs import CLEAN, DRIFTD, Result, assert_no_sanitizer_report, environment, manifest_tool, run, succeed
from support.site import Site, Tree, small_application, write_files

pytestmark = needs_root

LEVELS = 3_000
MIB = 2**20


def make_deep(directory: Path, levels: int, name: str) -> None:
    """By descriptors, since no path is that long. A setuid file lies at the bottom."""
    at = os.open(directory, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at))
    os.chmod("bottom", 0o4755, dir_fd=at)
    os.close(at)


def told_at(path: str) -> str:
    """The path, or the topmost directory above it that no manifest could list."""
    end = path.find("/", 4097)
    return path if end < 0 else path[:end]


class TestDeep:
    @pytest.fixture(params=["d", "d" * 100], ids=["short names", "long names"])
    def name(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture
    def deep(self, app: Tree, name: str) -> Iterator[Tree]:
        make_deep(app.root, LEVELS, name)
        try:
            yield app
        finally:
            succeed(["rm", "-rf", "--", app.root / name])  # Python's own does not get that deep

    def test_the_host_reports_it_as_added(self, site: Site, deep: Tree, name: str) -> None:
        found = check(site)
        assert found.kinds == {name: "added"}
        assert found.finding(name)["below"] == LEVELS
        assert found.unverified == []

    def test_build_refuses_it_in_one_line(self, deep: Tree, workdir: Path, name: str) -> None:
        out = workdir / "out.manifest"
        result = manifest_tool("build", "--name", "a", "--release", "1", "--sequence", "1", deep.root, "-o", out)
        assert result.code == 1, str(result)
        assert not out.exists()
        assert result.err.count("\n") == 1 and "longer than 4096 bytes" in result.err, result.err
        assert len(result.err) < 400

    def test_what_is_at_the_bottom_is_judged_where_anything_may_be(self, site: Site, name: str) -> None:
        tree = site.tree("app")
        (tree.root / "cache").mkdir()
        site.release(tree, "--mutable", "cache/**")
        make_deep(tree.root / "cache", LEVELS, name)
        try:
            found = check(site)
            told = told_at(f"cache/{(name + '/') * LEVELS}bottom")
            assert found.kinds == {told: "added"}
            assert found.finding(told)["below"] == 1
        finally:
            succeed(["rm", "-rf", "--", tree.root / "cache"])

    def test_what_lies_too_deep_is_told_in_one(self, site: Site) -> None:
        """Else each finding would have its path, of half a megabyte."""
        tree = site.tree("app")
        (tree.root / "cache").mkdir()
        site.release(tree, "--mutable", "cache/**")
        name, levels = "d" * 255, 600
        make_deep(tree.root / "cache", levels, name)
        try:
            at = os.open(tree.root / "cache", os.O_RDONLY)
            for _ in range(levels):
                at, above = os.open(name, os.O_RDONLY, dir_fd=at), at
                os.close(above)
                os.close(os.open("shell", os.O_CREAT | os.O_WRONLY, 0o755, dir_fd=at))
                os.chmod("shell", 0o4755, dir_fd=at)
            os.close(at)
            found = check(site)
            told = told_at(f"cache/{(name + '/') * levels}bottom")
            above = [f"cache/{(name + '/') * level}shell" for level in range(1, told.count("/"))]
            assert found.kinds == dict.fromkeys([*above, told], "added")
            assert found.finding(told)["below"] == levels + 1 - len(above)
        finally:
            succeed(["rm", "-rf", "--", tree.root / "cache"])


class TestLargeFiles:
    TERABYTE = 2**40

    def test_a_sparse_terabyte_is_told_by_its_size(self, site: Site, app: Tree) -> None:
        """A minute would not be enough to read a hundredth of it."""
        os.truncate(app.root / "settings.py", self.TERABYTE)
        (app.root / "new").touch()
        os.truncate(app.root / "new", self.TERABYTE)
        found = check(site)
        assert found.kinds == {"settings.py": "modified", "new": "added"}
        assert found.finding("settings.py")["actual"]["size"] == self.TERABYTE
        assert found.finding("settings.py")["actual"]["blake3"] is None
        assert found.document["trees"][0]["bytes"] < MIB


def test_devices_are_told_and_never_opened(site: Site, app: Tree) -> None:
    """The first of them would rewind a tape or hang a line; nobody has the driver of the second."""
    for path, kind, number in (("lib/util.py", "c", (9, 0)), ("new", "c", (240, 77)), ("app.py", "b", (240, 77))):
        (app.root / path).unlink(missing_ok=True)
        made = subprocess.run(["mknod", app.root / path, kind, *map(str, number)], capture_output=True)
        if made.returncode != 0:
            pytest.skip("this machine lets nobody make devices")
    os.mkfifo(app.root / "pipe")
    assert check(site).kinds == {"lib/util.py": "type", "app.py": "type", "new": "added", "pipe": "added"}


class TestDescriptors:
    """With too few of them a scan says what it could not see."""

    @pytest.fixture
    def wide(self, site: Site) -> Tree:
        """More directories than descriptors, each with more files than one thread takes at a time."""
        tree = site.tree("app")
        files: dict[str, str | bytes] = {f"{top}/{file}": "x\n" for top in range(40) for file in range(300)}
        files["/".join("d" * 50) + "/f"] = "x\n"
        write_files(tree.root, files)
        site.release(tree)
        return tree

    def check_with(self, site: Site, descriptors: int, *arguments: str) -> Found | None:
        """None where they do not even suffice to begin."""
        limit = ["prlimit", f"--nofile={descriptors}:{descriptors}"]
        command = [*limit, DRIFTD, "--check", "--config", site.write_config(), "--json", *arguments]
        # UBSan asks a pipe whether memory is there, and takes any object for a wrong one where it gets none.
        env = environment(**site.directories())
        env["UBSAN_OPTIONS"] += ":halt_on_error=0:print_stacktrace=0"
        done = subprocess.run(command, env=env, capture_output=True, timeout=60)
        assert b"AddressSanitizer" not in done.stderr, done.stderr.decode()
        if not done.stdout:
            assert done.returncode == 1, done.stderr.decode()
            return None
        return parse(Result("driftd --check", done.returncode, done.stdout, done.stderr))

    @pytest.mark.parametrize("threads", [1, 2, 8])
    def test_no_drift_is_lost(self, site: Site, wide: Tree, threads: int) -> None:
        clean = self.check_with(site, 32, "--threads", str(threads))
        assert clean is not None and clean.drift == []
        drifted = {f"{top}/299" for top in range(40)} | {"/".join("d" * 50) + "/f"}
        write_files(wide.root, dict.fromkeys(drifted, "y\n"))
        (wide.root / "7" / "new").touch()
        judged = 0
        for descriptors in (*range(5, 16), 24, 32):
            found = self.check_with(site, descriptors, "--threads", str(threads))
            if found is None:
                continue
            judged += 1
            if not found.document["trees"][0]["problems"]:
                self.assert_nothing_is_lost(found, drifted | {"7/new"})
            assert found.document["verdict"] != "clean", str(found.result)
        assert judged >= 2, "32 and 24 are enough to judge something"

    @staticmethod
    def assert_nothing_is_lost(found: Found, drifted: set[str]) -> None:
        assert set(found.kinds) <= drifted, str(found.result)
        assert {item["reason"] for item in found.unverified} <= {"limit"}, str(found.result)
        unknown = {item["path"] for item in found.unverified}
        for path in drifted - set(found.kinds):
            above = {str(parent) for parent in Path(path).parents} | {path}
            assert above & unknown, f"nothing is said of {path}\n{found.result}"


@contextmanager
def roomy(directory: Path) -> Iterator[None]:
    """In memory where that can be had: a million names are made and gone in a few seconds there."""
    mounted = may_mount()
    if mounted:
        succeed(["mount", "-t", "tmpfs", "-o", "nr_inodes=0,mode=0755", "none", directory])
    try:
        yield
    finally:
        if mounted:
            succeed(["umount", "--lazy", directory])


def fill(directory: Path, names: int) -> None:
    """With empty files. Names of few inodes, which take less room; ext4 allows 65,000 names each."""
    directory.mkdir(exist_ok=True)
    at = os.open(directory, os.O_RDONLY)
    for number in range(names):
        if number % 60_000 == 0:
            first = f"{number:07}"
            os.close(os.open(first, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at))
        else:
            os.link(first, f"{number:07}", src_dir_fd=at, dst_dir_fd=at)
    os.close(at)


def peak_memory(daemon: Daemon) -> int:
    """Resident, in bytes."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


class TestWide:
    NAMES = 1_000_000
    LISTED = 200_000
    ADDED = 100_000
    # Bytes that a finding may cost at the worst moment: twice what it does under AddressSanitizer.
    CHECK_FINDING = 600
    DAEMON_FINDING = 1200

    @pytest.fixture
    def tree(self, site: Site) -> Iterator[Tree]:
        tree = site.tree("app")
        with roomy(tree.root):
            yield tree

    @staticmethod
    def without_quarantine(site: Site) -> dict[str, str]:
        """Memory is then what the program uses, without what the sanitizer keeps of freed memory."""
        env = environment(**site.directories())
        env["ASAN_OPTIONS"] += ":quarantine_size_mb=1:detect_leaks=0"
        return env

    def check_measured(self, site: Site) -> tuple[Found, int]:
        """And its peak resident memory in bytes."""
        env = self.without_quarantine(site)
        command = [DRIFTD, "--check", "--config", site.write_config(), "--json"]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout and process.stderr
            out, err = process.stdout.read(), process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert_no_sanitizer_report(err, "driftd --check")
        return parse(Result("driftd --check", process.returncode, out, err)), usage.ru_maxrss * 1024

    def test_a_million_names_that_no_entry_lists(self, site: Site, tree: Tree) -> None:
        """As one added directory, and where anything may be: neither costs memory by the name."""
        (tree.root / "free").mkdir()
        site.release(tree, "--mutable", "free/**")
        _, at_rest = self.check_measured(site)
        fill(tree.root / "many", self.NAMES)
        found, used = self.check_measured(site)
        assert found.kinds == {"many": "added"}
        assert found.finding("many")["below"] == self.NAMES
        assert used - at_rest < 16 * MIB

        (tree.root / "many").rename(tree.root / "free" / "many")
        setuid = tree.root / "free" / "many" / "setuid"
        setuid.touch()
        setuid.chmod(0o4755)
        found, used = self.check_measured(site)
        assert found.kinds == {"free/many/setuid": "added"}
        assert used - at_rest < 16 * MIB

    @pytest.mark.parametrize(("levels", "width"), [(1, 200_000), (300, 3_000)], ids=["wide", "deep"])
    def test_many_directories_that_no_entry_lists(self, site: Site, tree: Tree, levels: int, width: int) -> None:
        """They wait to be walked by their names, and not by their paths."""
        (tree.root / "free").mkdir()
        site.release(tree, "--mutable", "free/**")
        _, at_rest = self.check_measured(site)
        make_deep(tree.root / "free", levels, "d" * 250)
        at = os.open(tree.root / "free", os.O_RDONLY)
        for _ in range(levels):
            at, above = os.open("d" * 250, os.O_RDONLY, dir_fd=at), at
            os.close(above)
        os.unlink("bottom", dir_fd=at)
        for number in range(width):
            os.mkdir(f"directory-{number}", dir_fd=at)
        os.close(at)
        found, used = self.check_measured(site)
        assert found.kinds == {}
        assert used - at_rest < 24 * MIB + 40 * width
        (tree.root / "free" / ("d" * 250)).rename(tree.root / "added")
        found, used = self.check_measured(site)
        assert found.kinds == {"added": "added"}
        assert found.finding("added")["below"] == levels - 1 + width
        assert used - at_rest < 24 * MIB + 40 * width
        succeed(["rm", "-rf", "--", tree.root / "added"])

    def test_many_names_that_are_listed(self, site: Site, tree: Tree) -> None:
        site.release(tree)
        _, at_rest = self.check_measured(site)
        fill(tree.root / "many", self.LISTED)
        site.release(tree)
        (tree.root / "many" / "0000007").unlink()
        (tree.root / "many" / "x").touch()
        found, used = self.check_measured(site)
        assert found.kinds == {"many/0000007": "missing", "many/x": "added"}
        assert used - at_rest < 24 * MIB + tree.manifest.stat().st_size + 140 * self.LISTED

    def test_many_findings(self, site: Site, tree: Tree) -> None:
        """Of files added one by one to a directory of the release."""
        (tree.root / "many").mkdir()
        site.release(tree)
        _, check_at_rest = self.check_measured(site)
        with Daemon(site, **self.without_quarantine(site)) as daemon:
            daemon_at_rest = peak_memory(daemon.wait_ready())
        fill(tree.root / "many", self.ADDED)
        found, used = self.check_measured(site)
        assert len(found.drift) == self.ADDED
        assert used - check_at_rest < self.CHECK_FINDING * self.ADDED
        with Daemon(site, **self.without_quarantine(site)) as daemon:
            daemon.wait_ready(180)
            assert daemon.metrics().drifted(tree.name) == {"added": self.ADDED}
            assert peak_memory(daemon) - daemon_at_rest < self.DAEMON_FINDING * self.ADDED


def bytes_read(pid: int) -> int:
    """0 of who has gone."""
    try:
        counted = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    except OSError:
        return 0
    return int(counted["rchar"])


class TestMoving:
    def test_a_file_that_changes_within_the_step_of_its_times(self, site: Site, app: Tree, workdir: Path) -> None:
        """A file system that keeps whole seconds, and a byte that is changed after it was read, in the same second."""
        require_mounts()
        disk, mount = workdir / "disk", workdir / "mount"
        mount.mkdir()
        succeed(["truncate", "-s", "400M", disk])
        succeed(["mkfs.ext4", "-q", "-I", "128", disk])
        succeed(["mount", "-o", "loop", disk, mount])
        try:
            app.root = mount / "app"
            small_application(app.root)
            with (app.root / "large").open("wb", buffering=0) as file:
                for _ in range(256):
                    file.write(bytes(2**20))
            site.release(app)
            command = [DRIFTD, "--check", "--config", site.write_config(), "--quiet"]
            with (app.root / "large").open("r+b", buffering=0) as file:
                for _ in range(4):
                    time.sleep(1.03 - time.time() % 1)
                    os.pwrite(file.fileno(), b"\0", 0)
                    check = subprocess.Popen(command, env=environment(**site.directories()))
                    while check.poll() is None and bytes_read(check.pid) < 32 * 2**20:
                        pass
                    is_midway = check.poll() is None
                    os.pwrite(file.fileno(), b"\1", 0)
                    assert not is_midway or check.wait(60) != CLEAN
                    check.wait(60)
        finally:
            succeed(["umount", mount])

    NAMES = 20_000
    CHECKS = 12

    def test_a_file_that_is_renamed_all_the_time_is_not_overlooked(self, site: Site) -> None:
        """A listing in several parts can miss a name that moves, so it does not count while names move."""
        tree = site.tree("app")
        fill(tree.root / "many", self.NAMES)
        site.release(tree)
        names = [tree.root / "many" / name for name in ("new", "other")]
        names[0].touch()
        stop = threading.Event()

        def rename() -> None:
            while not stop.is_set():
                names[0].rename(names[1])
                names.reverse()

        renaming = threading.Thread(target=rename)
        renaming.start()
        try:
            for _ in range(self.CHECKS):
                found = check(site)
                assert found.document["verdict"] != "clean", str(found.result)
                assert set(found.kinds) <= {"many/new", "many/other"}, str(found.result)
                assert {(one["path"], one["reason"]) for one in found.unverified} <= {("many", "unstable")}
        finally:
            stop.set()
            renaming.join()
        assert list(check(site).kinds.values()) == ["added"]
