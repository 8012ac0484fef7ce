"""Directories for tests to work in."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_workdir() -> Iterator[Path]:
    """A directory that is gone afterwards, or kept for a look with DRIFTD_TEST_KEEP=1.

    pytest's tmp_path will not do: it lies below a 0700 directory, which no other user can enter; its name holds the
    test's name, so that a search in a message finds words which are only in the path; and it is too long for a socket.
    """
    path = Path(tempfile.mkdtemp(prefix="e2e-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        if os.environ.get("DRIFTD_TEST_KEEP"):
            print(f"kept: {path}")
        else:
            shutil.rmtree(path, ignore_errors=True)
