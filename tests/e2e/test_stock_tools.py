"""A release can be checked without us: stock minisign and NetBSD's mtree understand what we make."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import django
from support.programs import driftd, manifest_tool
from support.release import Keys, build, keygen, sign
from support.site import write_files
from support.stock import minisign_verify, mtree
from support.workdir import new_workdir

EPOCH = 1_700_000_000


@dataclass(frozen=True)
class Release:
    tree: Path
    manifest: Path
    keys: Keys

    def check(self) -> int:
        where: list[str | Path] = ["--root", self.tree, "--manifest", self.manifest, "--trust", self.keys.public]
        return driftd("check", *where, "--quiet").code


def make_release(tree: Path, directory: Path, *options: str) -> Release:
    keys = keygen(directory)
    manifest = build(tree, directory / "app.manifest", *options)
    sign(keys, manifest)
    return Release(tree, manifest, keys)


def assert_silent(release: Release) -> None:
    said = mtree(release.manifest, release.tree).expect(0)
    assert said.stdout + said.stderr == b"", f"mtree has something to say\n{said}"


@pytest.fixture(scope="module")
def released(django_application: Path) -> Iterator[Release]:
    """The whole of Django, built and signed once. Each test puts back what it changes."""
    with new_workdir() as directory:
        yield make_release(django.copy(django_application, directory / "django"), directory)


def test_minisign_verifies_ours(released: Release) -> None:
    minisign_verify(released.keys.public, released.manifest).expect(0)


def test_mtree_has_nothing_to_say_about_the_clean_tree(released: Release) -> None:
    assert_silent(released)
    assert released.check() == 0


def test_mtree_sees_an_edit(released: Release) -> None:
    settings = released.tree / "conf" / "global_settings.py"
    original = settings.read_bytes()
    settings.write_bytes(original.replace(b"DEBUG = False", b"DEBUG = True"))
    said = mtree(released.manifest, released.tree)
    settings.write_bytes(original)
    assert "conf/global_settings.py" in said.expect(2).out
    assert_silent(released)


def test_mtree_prints_the_missing_and_the_added_file(released: Release) -> None:
    gone, added = released.tree / "core" / "wsgi.py", released.tree / "core" / "debug.py"
    kept = shutil.copy2(gone, released.manifest.parent)
    gone.unlink()
    added.write_text("pass\n")
    said = mtree(released.manifest, released.tree)
    assert "missing: ./core/wsgi.py" in said.out and "extra: core/debug.py" in said.out, str(said)
    assert released.check() == 2
    shutil.copy2(kept, gone)
    added.unlink()
    assert_silent(released)


def test_show_tells_what_the_manifest_is(released: Release) -> None:
    shown = manifest_tool("show", released.manifest).expect(0).out
    for word in ("app", "v1", "blake3:"):
        assert word in shown, f"no {word}\n{shown}"


def test_both_tools_agree_on_what_is_not_checked(workdir: Path) -> None:
    tree = workdir / "tree"
    write_files(tree, {"app.py": "1\n", "etc/local.conf": "a\n", "var/cache/page": "x\n", "var/state": "y\n"})
    rules = ("--mutable", "var/cache/**", "--optional", "etc/local.conf")
    release = make_release(tree, workdir, *rules)
    entries = release.manifest.read_text().splitlines()
    assert "#mutable: var/cache/**" in entries and "./var/cache type=dir optional ignore" in entries
    assert any(line.startswith("./etc/local.conf type=file ") and line.endswith(" optional") for line in entries)

    (tree / "var/cache/page").write_text("changed\n")
    write_files(tree, {"var/cache/deep/er/page": "new\n"})
    (tree / "etc/local.conf").unlink()
    assert_silent(release)
    assert release.check() == 0

    (tree / "var/state").write_text("z\n")
    mtree(release.manifest, tree).expect(2)
    assert release.check() == 2


def test_a_glob_that_mtree_cannot_know_holds_for_us(workdir: Path) -> None:
    tree = workdir / "tree"
    write_files(tree, {"app.py": "1\n", "lib/x.py": "1\n"})
    release = make_release(tree, workdir, "--mutable", "**/__pycache__/**")
    write_files(tree, {"lib/__pycache__/x.pyc": "compiled\n"})
    assert release.check() == 0
    assert "extra: lib/__pycache__" in mtree(release.manifest, tree).out


def test_mtree_checks_recorded_modes_and_owners(workdir: Path) -> None:
    tree = workdir / "tree"
    write_files(tree, {"app.py": "1\n", "bin/run": "#!/bin/sh\n"})
    (tree / "bin" / "run").chmod(0o750)
    release = make_release(tree, workdir, "--mode", "exact", "--owner", "source")
    assert_silent(release)
    (tree / "bin" / "run").chmod(0o755)
    said = mtree(release.manifest, tree).expect(2)
    assert "bin/run" in said.out and "permissions" in said.out, str(said)
    assert release.check() == 2


def copy_in_another_order(source: Path, target: Path) -> Path:
    """With other times, and the modes that a strict umask would have given."""
    for path in sorted(source.rglob("*"), reverse=True):
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            copied.symlink_to(path.readlink())
        elif path.is_dir():
            copied.mkdir(exist_ok=True)
        else:
            shutil.copyfile(path, copied)
            copied.chmod(path.stat().st_mode & 0o700)
    return target


def test_the_same_input_gives_the_same_bytes(django_application: Path, workdir: Path) -> None:
    trees = [django_application, copy_in_another_order(django_application, workdir / "copy")]
    one, other = (build(tree, workdir / f"{at}.manifest", epoch=EPOCH) for at, tree in enumerate(trees))
    assert one.read_bytes() == other.read_bytes()
    assert b"#created: 2023-11-14T22:13:20Z\n" in one.read_bytes()
