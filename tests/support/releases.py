"""Two real releases of one software, to deploy one after the other: GCC's C++ headers, of which Debian has two versions
side by side. Some files are the same in both, many differ, some come and some go.

$DRIFTD_RELEASES=OLD:NEW names two other directories, as of two versions of an npm package.
"""

import os
import shutil
from pathlib import Path

from support.django import CACHE
from support.programs import run, succeed

VERSIONS = ("11", "12")


def _release(version: str) -> Path:
    package = f"libstdc++-{version}-dev"
    unpacked = CACHE / "releases" / package
    if not unpacked.is_dir():
        packages = CACHE / "releases" / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        download = ["apt-get", "download", package]
        # A machine that has installed nothing yet has no package lists either, or lists of long ago.
        if run(download, cwd=packages, timeout=300).code != 0:
            succeed(["apt-get", "update"], timeout=300)
            succeed(download, cwd=packages, timeout=300)
        unfinished = unpacked.with_name(unpacked.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        succeed(["dpkg-deb", "-x", next(packages.glob(f"{package}_*.deb")), unfinished], timeout=120)
        unfinished.rename(unpacked)
    return unpacked / "usr" / "include" / "c++" / version


def two_releases() -> tuple[Path, Path]:
    """The older and the newer; never to be changed."""
    if named := os.environ.get("DRIFTD_RELEASES"):
        old, new = named.split(":")
        return Path(old), Path(new)
    old, new = (_release(version) for version in VERSIONS)
    return old, new
