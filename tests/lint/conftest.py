"""What the lint tests share: which files are ours, C++ as the compiler sees it, and tools that CI has to have."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Directories that .gitignore names, for where there is no git; build*/ besides.
IGNORED = {".git", ".cache", ".pytest_cache", "__pycache__"}

# Comments, raw strings, strings and characters, in one pass, so that none of them is found inside another. An
# apostrophe after a digit separates digits.
_TOKEN = re.compile(
    r"""(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
      | (?<![A-Za-z0-9_])(?:u8|[uUL])?R"(?P<end>[^()\\\s]{0,16})\(.*?\)(?P=end)"
      | (?:u8|[uUL])?"(?:\\.|[^"\\\n])*"
      | (?<![A-Za-z0-9_])(?:u8|[uUL])?'(?:\\.|[^'\\\n])+'""",
    re.DOTALL | re.VERBOSE,
)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)', re.MULTILINE)


def _blank(match: re.Match[str]) -> str:
    """White space of the same height, so that line numbers stay; the name in an #include stays as it is."""
    before = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
    if match["comment"] is None and re.search(r"#[ \t]*include[ \t]*$", before):
        return match[0]
    return " " + "\n" * match[0].count("\n")


class SourceTree:
    """The files of a source tree, without what git ignores. Paths are relative to `root`, with slashes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[str] = sorted(self._from_git() or self._from_disk())

    def _from_git(self) -> list[str] | None:
        """Nothing where there is no git, or no repository (a release tarball), or one that belongs to somebody else."""
        if not (self.root / ".git").exists() or shutil.which("git") is None:
            return None
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=self.root,
            capture_output=True,
            check=False,
        )
        if listing.returncode != 0:
            return None
        names = listing.stdout.decode(errors="surrogateescape").split("\0")
        return [name for name in set(names) if name and (self.root / name).is_file()]

    def _from_disk(self) -> list[str]:
        found = []
        for directory, below, names in os.walk(self.root):
            top = Path(directory) == self.root
            below[:] = [name for name in below if name not in IGNORED and not (top and name.startswith("build"))]
            found += [(Path(directory) / name).relative_to(self.root).as_posix() for name in names]
        return found

    def cpp(self) -> list[str]:
        return [path for path in self.files if path.endswith((".hpp", ".cpp"))]

    def shell_scripts(self) -> list[str]:
        """Told by their first line, or by .sh where they have none and are only sourced."""
        scripts = []
        for path in self.files:
            with (self.root / path).open("rb") as file:
                first = file.readline(128)
            if re.match(rb"#! ?/(usr/)?bin/(env +)?(ba|da)?sh\b", first) or path.endswith(".sh"):
                scripts.append(path)
        return scripts

    def text(self, path: str) -> str:
        """As it is on disk: no byte is lost, no line end changed."""
        return (self.root / path).read_bytes().decode(errors="surrogateescape")

    def code(self, path: str) -> str:
        """A C++ file without comments and with empty literals, line for line."""
        return _TOKEN.sub(_blank, self.text(path))

    def includes(self, path: str) -> list[tuple[int, str, str]]:
        """Line number, name, and `"` or `<`."""
        code = self.code(path)
        return [
            (code.count("\n", 0, match.start()) + 1, match[1] or match[2], '"' if match[1] else "<")
            for match in _INCLUDE.finditer(code)
        ]


@pytest.fixture(scope="session")
def tree() -> SourceTree:
    return SourceTree(ROOT)


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[dict[str, str]], SourceTree]:
    """Makes a source tree of the given files, to see that a check finds what it is for."""

    def make(files: dict[str, str]) -> SourceTree:
        for name, text in files.items():
            path = tmp_path / PurePosixPath(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return SourceTree(tmp_path)

    return make


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Finds a program. Without it a test is skipped, but not in CI, where a check that never runs would look green."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is not None:
            return path
        reason = f"{name} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    return find


@pytest.fixture(scope="session")
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program in the root of the repository, in the C locale, and keeps what it says."""

    def call(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return call
