"""A real application as a tree: Django, as Debian packages it (some 5,800 paths, 37 MB)."""

import os
import shutil
from pathlib import Path

from support.programs import BUILD, run, succeed

PACKAGE = "python3-django"
CACHE = Path(os.environ.get("DRIFTD_TEST_CACHE", BUILD / "test-cache")).resolve()


def _download() -> Path:
    """The package's file; asks the mirror only where the cache has none."""
    packages = CACHE / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    if not list(packages.glob(f"{PACKAGE}_*.deb")):
        download = ["apt-get", "download", PACKAGE]
        # A machine that has installed nothing yet has no package lists either, or lists of long ago.
        if run(download, cwd=packages, timeout=300).code != 0:
            succeed(["apt-get", "update"], timeout=300)
            succeed(download, cwd=packages, timeout=300)
    return sorted(packages.glob(f"{PACKAGE}_*.deb"))[-1]


def application() -> Path:
    """The unpacked application in the cache: to be copied, never changed."""
    package = _download()
    unpacked = CACHE / package.stem
    if not unpacked.is_dir():
        unfinished = CACHE / f"{package.stem}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        succeed(["dpkg-deb", "-x", package, unfinished])
        unfinished.rename(unpacked)
    return unpacked / "usr" / "lib" / "python3" / "dist-packages" / "django"


def copy(source: Path, target: Path) -> Path:
    """With owners, modes, times and links as they are. The target must not be there yet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    succeed(["cp", "-a", "--", source, target])
    return target
