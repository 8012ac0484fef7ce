"""Other people's tools, which check our formats without a line of our code."""

from pathlib import Path

from support.programs import Result, run


def minisign_verify(public: Path, file: Path) -> Result:
    """-H: prehashed signatures only, as we make them."""
    return run(["minisign", "-V", "-H", "-p", public, "-m", file])


def minisign_sign(secret: Path, file: Path, *options: str, password: str = "") -> Result:
    """Stock minisign takes the password from standard input where there is no terminal."""
    return run(["minisign", "-S", "-s", secret, *options, "-m", file], stdin=f"{password}\n".encode())


def mtree(manifest: Path, tree: Path) -> Result:
    """NetBSD's. Exits 2 for a changed entry, but 0 for missing and added files, which it prints."""
    return run(["mtree", "-f", manifest, "-p", tree])
