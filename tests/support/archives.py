"""Packs a directory with other people's archivers, as build scripts and registries do."""

import os
import shutil
from pathlib import Path

from support.programs import environment, succeed

COMPRESSORS = {"gz": "gzip", "xz": "xz", "zst": "zstd", "bz2": "bzip2"}


def tar(tree: Path, archive: Path, *options: str, archiver: str = "tar", member: str = ".") -> Path:
    succeed([archiver, "-C", tree, *options, "-cf", archive, member], timeout=120)
    return archive


def compressed(archive: Path, suffix: str) -> Path:
    """ARCHIVE.suffix beside it."""
    succeed([COMPRESSORS[suffix], "-q" if suffix == "zst" else "-f", "-k", archive], timeout=120)
    return archive.with_name(f"{archive.name}.{suffix}")


def zipped(tree: Path, archive: Path, *options: str) -> Path:
    """-y keeps links as links."""
    succeed(["zip", "-q", "-r", "-y", *options, archive, "."], cwd=tree, timeout=120)
    return archive


def debian_package(tree: Path, archive: Path, prefix: str) -> Path:
    """A package that installs the tree below PREFIX."""
    staging = archive.with_suffix(".staging")
    (staging / "DEBIAN").mkdir(parents=True)
    control = "Package: app\nVersion: 1\nArchitecture: all\nMaintainer: CI <ci@example.com>\nDescription: test\n"
    (staging / "DEBIAN" / "control").write_text(control)
    target = staging / prefix
    target.parent.mkdir(parents=True)
    shutil.copytree(tree, target, symlinks=True)
    succeed(["dpkg-deb", "--root-owner-group", "-b", staging, archive], timeout=120)
    return archive


def git_repository(tree: Path, directory: Path) -> Path:
    """A copy of the tree as the only commit, on branch main."""
    shutil.copytree(tree, directory, symlinks=True)
    identity = ["-c", "user.name=CI", "-c", "user.email=ci@example.com", "-c", "core.autocrlf=false"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A", "-f"], ["commit", "-q", "-m", "release"]):
        succeed(["git", *identity, *command], cwd=directory, env=environment(HOME=str(directory)), timeout=120)
    return directory


def without_empty_directories(tree: Path) -> Path:
    for directory, _, _ in os.walk(tree, topdown=False):
        if not os.listdir(directory):
            os.rmdir(directory)
    return tree
