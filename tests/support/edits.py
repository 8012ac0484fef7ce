"""What people and their tools do to deployed code, with the tools they do it with.

Each edit says what it does to a tree, which findings it has to give, and how it is undone: exactly, from a pristine
copy, unless the edit has a way of its own.
"""

import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.programs import environment, succeed

SETTINGS = "conf/global_settings.py"
NOBODY = "65534"


@dataclass(frozen=True)
class Place:
    """The tree to edit, the same tree as released, and a directory of its own outside both."""

    tree: Path
    pristine: Path
    outside: Path

    def path(self, name: str) -> Path:
        return self.tree / name

    @property
    def git(self) -> list[str | Path]:
        """A repository that has the tree as its work tree, and lies elsewhere."""
        return ["git", f"--git-dir={self.outside / 'repository'}", f"--work-tree={self.tree}"]

    def restore(self, *names: str) -> None:
        """Puts these paths back as they were released: content, mode, owner, or absence."""
        for name in names:
            here, released = self.path(name), self.pristine / name
            if here.is_dir() and not here.is_symlink():
                shutil.rmtree(here)
            else:
                here.unlink(missing_ok=True)
            if os.path.lexists(released):
                succeed(["cp", "-a", "--", released, here])


@dataclass(frozen=True)
class Expected:
    path: str
    kind: str
    change: str | None = None  # one that has to be among the finding's `changes`


@dataclass(frozen=True)
class Edit:
    name: str
    do: Callable[[Place], object]
    expected: tuple[Expected, ...]
    undo: Callable[[Place], object] | None = None

    def take_back(self, place: Place) -> None:
        if self.undo:
            self.undo(place)
        else:
            place.restore(*(finding.path for finding in self.expected))

    @property
    def kinds(self) -> dict[str, int]:
        return dict(Counter(finding.kind for finding in self.expected))

    def __str__(self) -> str:
        return self.name


def shell(place: Place, script: str) -> None:
    """A line as it is typed, in the tree's directory."""
    succeed(["sh", "-euc", script], cwd=place.tree)


def typed(script: str) -> Callable[[Place], None]:
    return lambda place: shell(place, script)


def vim(place: Place, name: str, *options: str) -> None:
    """The real one. 'backupskip' is emptied, or vim would leave out the renaming for files below /tmp."""
    commands = ["set backupskip=", *(f"set {option}" for option in options), r"1s/^/# by hand\r/", "write", "quit"]
    arguments = [word for command in commands for word in ("-c", command)]
    succeed(["vim.tiny", "-u", "NONE", "-N", "-es", *arguments, place.path(name)], env=environment(TERM="dumb"))


def vim_by_rename(place: Place) -> None:
    before = place.path(SETTINGS).stat().st_ino
    vim(place, SETTINGS, "backupcopy=no", "writebackup")
    assert place.path(SETTINGS).stat().st_ino != before, "vim was to write a new file"


def vim_in_place(place: Place) -> None:
    before = place.path(SETTINGS).stat().st_ino
    vim(place, SETTINGS, "backupcopy=yes", "writebackup")
    assert place.path(SETTINGS).stat().st_ino == before, "vim was to write in place"


def vim_leaving_a_backup(place: Place) -> None:
    vim(place, SETTINGS, "backup", "backupcopy=no", "backupdir=.")


def make_repository(place: Place) -> None:
    """Two revisions: an older one in which core/wsgi.py differs, and the release."""
    identity = ["-c", "user.name=Dev", "-c", "user.email=dev@example.org", "-c", "commit.gpgsign=false"]
    commit = [*place.git, *identity, "commit", "--quiet", "--message"]
    succeed([*place.git, "init", "--quiet"])
    place.path("core/wsgi.py").write_text("# as it was last week\n")
    succeed([*place.git, "add", "--all"], cwd=place.tree)
    succeed([*commit, "last week"])
    place.restore("core/wsgi.py")
    succeed([*place.git, "add", "--all"], cwd=place.tree)
    succeed([*commit, "release"])


def git_checkout(revision: str) -> Callable[[Place], None]:
    """`git checkout REVISION -- FILE` of someone who wants one file of another version."""

    def run(place: Place) -> None:
        if not (place.outside / "repository").exists():
            make_repository(place)
        succeed([*place.git, "checkout", "--quiet", revision, "--", "core/wsgi.py"], cwd=place.tree)

    return run


def unpack_wheel(place: Place) -> None:
    """What pip does at the end: unpacks a wheel over what is there, replacing a file that the release has."""
    wheel = place.outside / "hotlib-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("hotlib/__init__.py", "VERSION = 1\n")
        archive.writestr("hotlib/sub/module.py", "pass\n")
        archive.writestr("hotlib-1.0.dist-info/METADATA", "Name: hotlib\nVersion: 1.0\n")
        archive.writestr("core/signing.py", "# shipped by the wheel as well\n")
    succeed(["python3", "-m", "zipfile", "-e", wheel, place.tree])


def unpack_tar(place: Place) -> None:
    package = place.outside / "hotfix" / "core"
    package.mkdir(parents=True, exist_ok=True)
    (package / "hotfix.py").write_text("pass\n")
    (package / "asgi.py").write_text("# patched\n")
    succeed(["tar", "-C", package.parent, "-cf", place.outside / "hotfix.tar", "core/hotfix.py", "core/asgi.py"])
    succeed(["tar", "-C", place.tree, "-xf", place.outside / "hotfix.tar"])


def move_away(place: Place) -> None:
    place.path("core/checks").rename(place.outside / "checks")


def move_back(place: Place) -> None:
    (place.outside / "checks").rename(place.path("core/checks"))


def directory_to_link(place: Place) -> None:
    """The same files are still found below the path, but they are others' to change."""
    place.path("core/mail").rename(place.outside / "mail")
    place.path("core/mail").symlink_to(place.outside / "mail")


def link_to_directory(place: Place) -> None:
    place.path("core/mail").unlink()
    (place.outside / "mail").rename(place.path("core/mail"))


def modified(path: str) -> Expected:
    return Expected(path, "modified", "content")


EDITS = (
    Edit("vim, by rename", vim_by_rename, (modified(SETTINGS),)),
    Edit("vim, in place", vim_in_place, (modified(SETTINGS),)),
    Edit("vim, leaving a backup", vim_leaving_a_backup, (modified(SETTINGS), Expected(f"{SETTINGS}~", "added"))),
    Edit("sed -i", typed(f"sed -i 's/^DEBUG = False/DEBUG = True/' {SETTINGS}"), (modified(SETTINGS),)),
    Edit("sed -i, same size", typed(f"sed -i 's/^USE_TZ = False/USE_TZ = 1    /' {SETTINGS}"), (modified(SETTINGS),)),
    Edit("git checkout", git_checkout("HEAD~1"), (modified("core/wsgi.py"),), undo=git_checkout("HEAD")),
    Edit("cp over", typed("cp core/signals.py core/wsgi.py"), (modified("core/wsgi.py"),)),
    Edit("echo >>", typed(f"echo 'DEBUG = True' >> {SETTINGS}"), (modified(SETTINGS),)),
    Edit("truncate", typed("truncate -s 0 core/signals.py"), (modified("core/signals.py"),)),
    Edit("rm", typed("rm core/paginator.py"), (Expected("core/paginator.py", "missing"),)),
    Edit("a new file", typed("echo pass > core/debug.py"), (Expected("core/debug.py", "added"),)),
    Edit("a new empty directory", typed("mkdir core/logs"), (Expected("core/logs", "added"),)),
    Edit("a new tree of directories", typed("mkdir -p a/b/c; echo 1 > a/b/c/d"), (Expected("a", "added"),)),
    Edit("mkfifo", typed("mkfifo core/pipe"), (Expected("core/pipe", "added"),)),
    Edit("chmod 777", typed(f"chmod 777 {SETTINGS}"), (Expected(SETTINGS, "metadata", "mode"),)),
    Edit("chmod 777 of a directory", typed("chmod 777 core/mail"), (Expected("core/mail", "metadata", "mode"),)),
    Edit("chmod u+s", typed("chmod u+s bin/run"), (Expected("bin/run", "metadata", "mode"),)),
    Edit("chmod a-x", typed("chmod a-x bin/run"), (Expected("bin/run", "metadata", "mode"),)),
    Edit("setcap", typed("setcap cap_net_raw+ep bin/run"), (Expected("bin/run", "metadata", "capability"),)),
    Edit("ln -sf over a file", typed(f"ln -sf /etc/hostname {SETTINGS}"), (Expected(SETTINGS, "type", "type"),)),
    Edit("ln -sfn of a link", typed("ln -sfn core current"), (Expected("current", "target", "target"),)),
    Edit("a FIFO over a file", typed("rm core/wsgi.py; mkfifo core/wsgi.py"), (Expected("core/wsgi.py", "type"),)),
    Edit("a directory over a file", typed("rm core/wsgi.py; mkdir core/wsgi.py"), (Expected("core/wsgi.py", "type"),)),
    Edit("a directory moved away", move_away, (Expected("core/checks", "missing"),), undo=move_back),
    Edit("a directory made a link", directory_to_link, (Expected("core/mail", "type"),), undo=link_to_directory),
    Edit(
        "a directory renamed",
        typed("mv core/mail core/mail.bak"),
        (Expected("core/mail", "missing"), Expected("core/mail.bak", "added")),
        undo=typed("mv core/mail.bak core/mail"),
    ),
    Edit(
        "pip",
        unpack_wheel,
        (Expected("hotlib", "added"), Expected("hotlib-1.0.dist-info", "added"), modified("core/signing.py")),
    ),
    Edit("tar -x", unpack_tar, (Expected("core/hotfix.py", "added"), modified("core/asgi.py"))),
    Edit("python -m compileall", typed("python3 -m compileall -q -l core"), (Expected("core/__pycache__", "added"),)),
)

# On a tree whose manifest records owners and exact modes.
EXACT_EDITS = (
    Edit("chown", typed(f"chown {NOBODY} {SETTINGS}"), (Expected(SETTINGS, "metadata", "owner"),)),
    Edit("chgrp", typed(f"chgrp {NOBODY} {SETTINGS}"), (Expected(SETTINGS, "metadata", "group"),)),
    Edit("chown of a directory", typed(f"chown {NOBODY} core/mail"), (Expected("core/mail", "metadata", "owner"),)),
    Edit("chmod 600", typed(f"chmod 600 {SETTINGS}"), (Expected(SETTINGS, "metadata", "mode"),)),
    Edit("chmod of a directory", typed("chmod 700 core/mail"), (Expected("core/mail", "metadata", "mode"),)),
    Edit("chmod u+s", typed("chmod u+s bin/run"), (Expected("bin/run", "metadata", "mode"),)),
    Edit("vim, by rename", vim_by_rename, (modified(SETTINGS),)),
)

# What changes nothing that the manifest speaks of: owner and mode belong to the deploy unless they are recorded.
HARMLESS = (
    Edit("touch", typed(f"touch {SETTINGS}"), ()),
    Edit("a copy in its place", typed(f"cp -p {SETTINGS} x; mv x {SETTINGS}"), ()),
    Edit("rm and restored", lambda place: place.restore("core/wsgi.py"), ()),
    Edit("chown", typed(f"chown {NOBODY} {SETTINGS}"), (), undo=lambda place: place.restore(SETTINGS)),
    Edit("chmod 600", typed(f"chmod 600 {SETTINGS}"), (), undo=lambda place: place.restore(SETTINGS)),
    Edit("chmod 700 of a directory", typed("chmod 700 core/mail"), (), undo=typed("chmod 755 core/mail")),
)


def make_pristine(application: Path, pristine: Path) -> Path:
    """Some 680 paths of a real application, with an executable and a symlink, which these parts of it lack."""
    pristine.mkdir(parents=True)
    for part in ("conf", "core"):
        succeed(["cp", "-a", "--", application / part, pristine])
    (pristine / "bin").mkdir()
    (pristine / "bin" / "run").write_text("#!/bin/sh\nexec python3 -m django\n")
    (pristine / "bin" / "run").chmod(0o755)
    (pristine / "current").symlink_to("conf")
    return pristine
