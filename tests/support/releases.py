"""Two real releases of one application, to deploy one after the other: Django, as Debian's archive has it twice.

$DRIFTD_RELEASES=OLD:NEW names two other directories, as of two versions of an npm package.
"""

import os
import shutil
from pathlib import Path

from support.django import CACHE, PACKAGE
from support.programs import run, succeed


def _versions() -> list[str]:
    """The oldest first; the archive's own and the one with security fixes."""
    said = run(["apt-cache", "madison", PACKAGE]).out
    return sorted({line.split("|")[1].strip() for line in said.splitlines()})


def _unpacked(version: str) -> Path:
    target = CACHE / "releases" / version.replace(":", "_")
    if not target.is_dir():
        packages = CACHE / "releases" / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        succeed(["apt-get", "download", f"{PACKAGE}={version}"], cwd=packages, timeout=300)
        package = next(packages.glob(f"{PACKAGE}_*{version.split(':')[-1]}*.deb"))
        unfinished = target.with_name(target.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        succeed(["dpkg-deb", "-x", package, unfinished])
        unfinished.rename(target)
    return target / "usr" / "lib" / "python3" / "dist-packages" / "django"


def two_releases() -> tuple[Path, Path]:
    """The older and the newer; never to be changed."""
    if named := os.environ.get("DRIFTD_RELEASES"):
        old, new = named.split(":")
        return Path(old), Path(new)
    versions = _versions()
    if len(versions) < 2:
        succeed(["apt-get", "update"], timeout=300)
        versions = _versions()
    assert len(versions) >= 2, f"the archive has one version of {PACKAGE} only: {versions}"
    return _unpacked(versions[0]), _unpacked(versions[-1])
