"""Mounts in a tree: what they hide cannot be judged, whatever they show instead. The root may be one."""

from pathlib import Path

import pytest

from support.marks import needs_root
from support.mounts import check_among_mounts, require_mounts
from support.programs import succeed
from support.site import Site, Tree, write_files
from support.waiting import wait_until

pytestmark = needs_root


@pytest.fixture(autouse=True)
def mounts() -> None:
    require_mounts()


@pytest.fixture
def like(app: Tree, workdir: Path) -> Path:
    """The same application again, so that a mount of it shows exactly what the release lists."""
    copy = workdir / "like"
    succeed(["cp", "-a", "--", app.root, copy])
    return copy


def unverified(site: Site, app: Tree, script: str) -> dict[str, str]:
    """Path -> reason. Nothing else may be said, and certainly not that all is well."""
    found = check_among_mounts(site, script, cwd=app.root)
    assert found.document["verdict"] == "unknown", str(found.result)
    assert found.drift == [], str(found.result)
    return {item["path"]: item["reason"] for item in found.unverified}


def test_another_file_system_over_a_directory(site: Site, app: Tree) -> None:
    assert unverified(site, app, "mount -t tmpfs none lib") == {"lib": "mount"}


def test_a_bind_mount_of_the_same_file_system(site: Site, app: Tree, like: Path) -> None:
    assert unverified(site, app, f"mount --bind {like}/lib lib") == {"lib": "mount"}
    assert unverified(site, app, "mount --bind lib lib") == {"lib": "mount"}


def test_a_bind_mount_over_a_file(site: Site, app: Tree, like: Path) -> None:
    assert unverified(site, app, f"mount --bind {like}/app.py app.py") == {"app.py": "mount"}


def test_what_is_mounted_over_a_file_is_not_even_opened(site: Site, app: Tree, workdir: Path) -> None:
    """It may be a device. Who waits for a reader of a FIFO goes on once somebody has opened it."""
    pipe, opened = workdir / "pipe", workdir / "opened"
    write = f"timeout 10 sh -c 'echo x >{pipe}; touch {opened}' >/dev/null 2>&1 &"
    script = f"mkfifo {pipe}; {write} sleep 0.3; mount --bind {pipe} app.py"
    assert unverified(site, app, script) == {"app.py": "mount"}
    assert not opened.exists()
    with pipe.open():  # and so does this
        wait_until(opened.exists, bool, "the writer has gone on")


def test_a_disk_over_a_directory(site: Site, app: Tree, like: Path, workdir: Path) -> None:
    disk = workdir / "disk"
    succeed(["truncate", "-s", "8M", disk])
    succeed(["mkfs.ext4", "-q", "-d", like / "lib", disk])
    probe = f"mount -o loop,ro {disk} /mnt"
    try:
        check_among_mounts(site, probe)
    except AssertionError:
        pytest.skip("this machine has no loop devices")
    assert unverified(site, app, f"mount -o loop,ro {disk} lib") == {"lib": "mount"}


def test_a_mount_that_no_entry_lists(site: Site, app: Tree) -> None:
    (app.root / "new").mkdir()
    assert unverified(site, app, "mount -t tmpfs none new") == {"new": "mount"}


def test_mounts_hide_no_drift_elsewhere(site: Site, app: Tree) -> None:
    write_files(app.root, {"settings.py": "DEBUG = True\n", "lib/util.py": "hidden\n"})
    found = check_among_mounts(site, "mount -t tmpfs none lib", cwd=app.root)
    assert found.document["verdict"] == "drift"
    assert found.kinds == {"settings.py": "modified"}
    assert [item["path"] for item in found.unverified] == ["lib"]


def test_a_path_below_a_mount(site: Site, app: Tree) -> None:
    found = check_among_mounts(site, "mount --bind lib lib", "lib/util.py", cwd=app.root)
    assert found.document["verdict"] == "unknown", str(found.result)


@pytest.mark.parametrize("script", ["mount --bind {root} {root}", "mount --bind {like} {root}"])
def test_the_root_may_be_a_mount(site: Site, app: Tree, like: Path, script: str) -> None:
    script = script.format(root=app.root, like=like)
    assert check_among_mounts(site, script).document["verdict"] == "clean"
    edit = f"{script}\necho edited >> {app.root}/lib/util.py"
    assert check_among_mounts(site, edit).kinds == {"lib/util.py": "modified"}


def test_the_root_may_be_a_disk(site: Site, app: Tree) -> None:
    full = f"cp -a {app.root} /run/copy && mount -t tmpfs none {app.root} && cp -a /run/copy/. {app.root}"
    script = f"mount -t tmpfs none /run\n{full}"
    assert check_among_mounts(site, script).document["verdict"] == "clean"
    assert check_among_mounts(site, f"{script}\nrm {app.root}/app.py").kinds == {"app.py": "missing"}
