"""What people do to deployed code, with the programs they do it with: is it found, how soon, and is it known who it was?
usage: DRIFTD_BUILD=build-bench python3 -P tests/bench/edits.py [--repeats N]

Needs root, since everything is done by another user than the daemon's, on a terminal, who has logged in under a third
name; and vim, nano, emacs, git, rsync, pip, npm, mkfs.btrfs. One line an edit: how often it was found of how often it was
made, the median time from the last change of the file to /metrics, how often somebody was named, who, and how often that
was wrong. What is not installed is left out, and said.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.daemon import Daemon  # noqa: E402
from support.evidence import GIT, SOMEBODY, Person, in_session, make_repository, open_drift  # noqa: E402
from support.programs import succeed  # noqa: E402
from support.site import Site, Tree, small_application  # noqa: E402
from support.waiting import wait_until  # noqa: E402

ADMINISTRATOR = Person(0, "root", SOMEBODY.login_uid, SOMEBODY.login_user)
MAPPING = """
import mmap, os, time
with open("settings.py", "r+b") as file:
    mapping = mmap.mmap(file.fileno(), 0)
mapping[0:4] = b"#by "
mapping.flush()
time.sleep(3)
"""


@dataclass(frozen=True)
class Edit:
    name: str
    line: str  # for a shell that stands in the tree
    program: str  # whose executable it must be, as a pattern
    path: str = "settings.py"
    kind: str = "modified"
    keys: tuple[bytes, ...] = ()
    who: Person = SOMEBODY
    reflink: bool = False


EDITS = (
    Edit("vim", "vim -u NONE -N settings.py", "/usr/bin/vim.*", keys=(b"O# by hand", b"\x1b", b":wq\r")),
    Edit("nano", "nano --ignorercfiles settings.py", "/usr/bin/nano", keys=(b"# by hand\r", b"\x0f", b"\r", b"\x18")),
    Edit("emacs -nw", "emacs -nw -Q settings.py", "/usr/bin/emacs.*", keys=(b"# by hand\r", b"\x18\x13", b"\x18\x03")),
    Edit("sed -i", "sed -i s/False/True/ settings.py", "/usr/bin/sed"),
    Edit("git checkout -- file", f"{GIT} checkout --quiet HEAD~1 -- settings.py", "/usr/bin/git"),
    Edit("rsync", "rsync -I app.py settings.py", "/usr/bin/rsync"),
    Edit(
        "pip install --target",
        "/usr/bin/python3 -m pip install -q --no-index --no-cache-dir --target lib ../../*.whl; sleep 1",
        "/usr/bin/python3.*",
        "lib/hotlib",
        "added",
    ),
    Edit("npm install", "npm install --offline --no-audit --no-fund ../../hotlib", ".*/node.*", "node_modules", "added"),
    Edit("dpkg -i", "dpkg --admindir=../../dpkg --log=/dev/null -i ../../hotfix.deb", "/usr/bin/dpkg.*", who=ADMINISTRATOR),
    Edit("echo > file", "echo 'DEBUG = True' > settings.py", "/usr/bin/(da|ba)?sh"),
    Edit("python, open and write", "/usr/bin/python3 -c \"open('settings.py', 'w').write('x')\"", "/usr/bin/python3.*"),
    Edit("a mapping that is kept", f"/usr/bin/python3 -c '{MAPPING}'", "/usr/bin/python3.*"),
    Edit("cp --reflink on btrfs", "cp --reflink=always app.py settings.py", "/usr/bin/cp", reflink=True),
)


def make_things_to_install(directory: Path, tree: Tree) -> None:
    """Of pip's, npm's, dpkg's and git's kind."""
    with zipfile.ZipFile(directory / "hotlib-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("hotlib/__init__.py", "VERSION = 1\n")
        wheel.writestr("hotlib-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: hotlib\nVersion: 1.0\n")
        wheel.writestr("hotlib-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("hotlib-1.0.dist-info/RECORD", "")
    (directory / "hotlib").mkdir()
    (directory / "hotlib" / "package.json").write_text(json.dumps({"name": "hotlib", "version": "1.0.0"}))
    package = directory / "package"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "DEBIAN" / "control").write_text(
        "Package: hotfix\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a hotfix\n"
    )
    inside = package / tree.root.relative_to("/")
    inside.mkdir(parents=True)
    (inside / "settings.py").write_text("DEBUG = 'hotfix'\n")
    succeed(["dpkg-deb", "--root-owner-group", "--build", package, directory / "hotfix.deb"])
    (directory / "dpkg" / "updates").mkdir(parents=True)
    (directory / "dpkg" / "info").mkdir()
    (directory / "dpkg" / "status").touch()
    succeed(["chown", f"{SOMEBODY.uid}:{SOMEBODY.uid}", directory])
    make_repository(tree)


def put_back(site: Site, tree: Tree) -> None:
    succeed(["rsync", "-aI", "--delete", f"{site.directory}/pristine/", tree.root])


@dataclass
class Seen:
    found: int = 0
    milliseconds: list[float] | None = None
    named: int = 0
    wrong: int = 0
    who: str = ""


def make_once(site: Site, tree: Tree, daemon: Daemon, edit: Edit, seen: Seen) -> None:
    begun = time.time()

    def is_seen() -> bool:
        return (daemon.metrics().value("driftd_drifted_paths", tree="app", kind=edit.kind, state="open") or 0) > 0

    pid = os.fork()
    if pid == 0:
        try:
            session = in_session(edit.who, ["sh", "-euc", edit.line], tree.root, 60, edit.keys)
            (site.directory / "session").write_text(f"{session.number} {session.terminal}")
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
    while not is_seen() and time.time() < begun + 90:
        time.sleep(0.002)
    when = time.time()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise SystemExit(f"{edit.name}: failed")
    records = wait_until(lambda: open_drift(site), lambda records: edit.path in records, f"{edit.name}: a record", 20)
    seen.found += 1
    changed = (tree.root / edit.path).lstat().st_ctime
    seen.milliseconds = [*(seen.milliseconds or []), (when - changed) * 1000]
    evidence = records[edit.path]
    if evidence is None:
        return
    seen.named += 1
    number, terminal = (site.directory / "session").read_text().split()
    is_alive = "executable" in evidence
    right = [
        not is_alive or re.fullmatch(edit.program, evidence["executable"]) is not None,
        (evidence["uid"], evidence["user"]) == (edit.who.uid, edit.who.user),
        (evidence["login_uid"], evidence["login_user"]) == (edit.who.login_uid, edit.who.login_user),
        evidence["session"] == int(number),
        # The last to be asked for: who is gone by then has none any more, nor arguments.
        evidence.get("terminal", None if evidence["arguments"] else terminal) == terminal,
    ]
    if not all(right):
        seen.wrong += 1
        print(edit.name, right, evidence, file=sys.stderr)
    if is_alive or not seen.who:
        program = evidence.get("executable", evidence["name"] + " (ended)")
        seen.who = f"{program}, {evidence['user']} ({evidence['login_user']}), {evidence.get('terminal', 'no terminal')}"


def measure(site: Site, tree: Tree, edits: list[Edit], repeats: int) -> None:
    small_application(tree.root)
    succeed(["chown", "-R", f"{SOMEBODY.uid}:{SOMEBODY.uid}", tree.root])
    site.release(tree)
    make_things_to_install(tree.root.parent.parent, tree)
    succeed(["cp", "-a", tree.root, site.directory / "pristine"])
    with redirect_stdout(None), Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        for edit in edits:
            seen = Seen()
            for _ in range(repeats):
                time.sleep(0.3)
                make_once(site, tree, daemon, edit, seen)
                put_back(site, tree)
                daemon.wait_for_drift("app", {})
                wait_until(lambda: open_drift(site), lambda records: not records, "the drift's records have ended")
            soon = f"{median(seen.milliseconds or [0]):.0f}"
            print(
                f"| {edit.name} | {seen.found}/{repeats} | {soon} | {seen.named} | {seen.wrong} | {seen.who} |",
                file=sys.stderr,
                flush=True,
            )


def can_be_made(edit: Edit) -> bool:
    return shutil.which(edit.line.split()[0]) is not None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", action="append")
    options = parser.parse_args()
    os.umask(0o022)
    made = [edit for edit in EDITS if can_be_made(edit) and (not options.only or edit.name in options.only)]
    for edit in EDITS:
        if not can_be_made(edit):
            print(f"not installed: {edit.name}", file=sys.stderr)
    print("| edit | found | median ms | named | wrong | by |\n|---|---:|---:|---:|---:|---|", file=sys.stderr)
    for reflink in (False, True):
        edits = [edit for edit in made if edit.reflink == reflink]
        if not edits:
            continue
        with tempfile.TemporaryDirectory(prefix="edits-") as name:
            directory = Path(name)
            directory.chmod(0o755)
            (directory / "site").mkdir()
            top = directory / "top"
            top.mkdir()
            site = Site(directory / "site")
            if reflink:
                succeed(["truncate", "-s", "1G", directory / "image"])
                succeed(["mkfs.btrfs", "-q", directory / "image"])
                succeed(["mount", "-o", "loop", directory / "image", top])
            try:
                tree = site.tree("app", root=top / "srv" / "app", quick_scan="1h", full_scan="24h")
                measure(site, tree, edits, options.repeats)
            finally:
                if reflink:
                    subprocess.run(["umount", "--lazy", top], check=True)


main()
