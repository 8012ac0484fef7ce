"""Who made a change: the right process, user, session and terminal, or nobody."""

import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from support.checks import check
from support.control import command
from support.daemon import Daemon
from support.evidence import GIT, SOMEBODY, in_session, make_repository, open_drift
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.programs import CLEAN, DRIFT, driftd, environment, succeed
from support.site import SMALL_APPLICATION, Site, Tree, write_files
from support.waiting import wait_until

pytestmark = needs_root

# What a process leaves behind may be gone before anybody can look. Nothing wrong is ever said then, and the next time
# it is known.
ATTEMPTS = 100


@pytest.fixture
def watched(site: Site, app: Tree) -> Tree:
    if not kernel_can_watch(site.directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")
    succeed(["chown", "-R", f"{SOMEBODY.uid}:{SOMEBODY.uid}", app.root])
    return app


def evidence_for(site: Site, path: str) -> dict[str, Any] | None:
    """Once the drift has its record."""
    records = wait_until(lambda: open_drift(site), lambda seen: path in seen, f"a record of {path}")
    return records[path]


@dataclass(frozen=True)
class Edit:
    line: str
    path: str
    kind: str
    name: str
    program: str

    def __str__(self) -> str:
        return self.line


def by(line: str, name: str, path: str = "settings.py", kind: str = "modified", program: str = "") -> Edit:
    return Edit(line, path, kind, name, program or f"/usr/bin/{name}")


VIM = "vim.tiny -u NONE -N -es -c 'set backupskip=' -c '1s/^/# by hand\\r/' -c write -c quit settings.py"
EDITS = (
    by("echo 'DEBUG = True' > settings.py", "sh", program="/usr/bin/dash"),
    by("echo 'DEBUG = True' >> settings.py", "sh", program="/usr/bin/dash"),
    by("sed -i s/False/True/ settings.py", "sed"),
    by("cp app.py settings.py", "cp"),
    by("mv settings.py settings.bak; : ", "mv", "settings.bak", "added"),
    by("rm settings.py; :", "rm", kind="missing"),
    by("mkdir logs; :", "mkdir", "logs", "added"),
    by("touch new.py; :", "touch", "new.py", "added"),
    by("chmod 777 settings.py; :", "chmod", kind="metadata"),
    by("echo x | tee settings.py", "tee"),
    by("install -m 644 app.py settings.py", "install"),
    by("ln -s app.py link.py", "ln", "link.py", "added"),
    by("python3 -c \"open('settings.py', 'w').write('x')\"", "python3", program=r"/usr/bin/python3[.\d]*"),
    by("dd if=app.py of=settings.py status=none", "dd"),
    by("rsync -I app.py settings.py", "rsync"),
    by("tar -cf - app.py | tar -xf - --transform s/app/settings/", "tar"),
    by(VIM, "vim.tiny"),
    by(f"{GIT} checkout --quiet HEAD~1 -- settings.py", "git"),
)


def put_back(site: Site, tree: Tree) -> None:
    succeed(["rsync", "-aI", "--delete", f"{site.directory}/pristine/", tree.root])


def seen_edit(site: Site, tree: Tree, daemon: Daemon, edit: Edit) -> tuple[dict[str, Any], Any]:
    """Again until it is known who did it. Whatever is said before and then has to be right."""
    for _ in range(ATTEMPTS):
        session = in_session(SOMEBODY, ["sh", "-euc", edit.line], tree.root)
        evidence = evidence_for(site, edit.path)
        if evidence is not None:
            return evidence, session
        put_back(site, tree)
        daemon.wait_for_drift("app", {})
        wait_until(lambda: open_drift(site), lambda seen: not seen, "the drift's records have ended")
    raise AssertionError(f"in {ATTEMPTS} attempts nobody was seen")


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_who_made_an_edit(site: Site, watched: Tree, edit: Edit) -> None:
    make_repository(watched)
    succeed(["cp", "-a", watched.root, site.directory / "pristine"])
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        evidence, session = seen_edit(site, watched, daemon, edit)
        assert evidence["name"].startswith(edit.name)
        # What has ended already has no program any more.
        if "executable" in evidence:
            assert re.fullmatch(edit.program, evidence["executable"])
        assert (evidence["uid"], evidence["user"]) == (SOMEBODY.uid, SOMEBODY.user)
        assert (evidence["login_uid"], evidence["login_user"]) == (SOMEBODY.login_uid, SOMEBODY.login_user)
        assert evidence["session"] == session.number
        # Nor has it a terminal, where it was the session's leader, or what it sees mounted; its arguments are read later.
        is_alive = bool(evidence["arguments"])
        assert evidence.get("terminal", None if is_alive else session.terminal) == session.terminal
        assert "client" not in evidence


def make_known_edit(site: Site, tree: Tree, daemon: Daemon) -> dict[str, Any]:
    succeed(["cp", "-a", tree.root, site.directory / "pristine"])
    slow = "import time; open('settings.py', 'w').write('DEBUG = 1'); time.sleep(0.3)"
    edit = by(f'python3 -c "{slow}" --password=hunter2-$(printf %0200d 0)', "python3")
    evidence, _ = seen_edit(site, tree, daemon, edit)
    return evidence


def test_where_it_is_shown_and_where_it_is_not(site: Site, watched: Tree) -> None:
    watched.settings["notify_after"] = "1s"
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        evidence = make_known_edit(site, watched, daemon)
        pid = evidence["pid"]
        by_line = rf"; by python3 \(pid {pid}, /usr/bin/python3\S*\), bin, login daemon, session \d+, pts/\d+"
        for event in ("seen", "opened"):
            line = rf"app: drift {event}: modified settings.py size \d+ -> \d+, content{by_line}".encode()
            wait_until(daemon.log, lambda log, line=line: re.search(line, log), f"the log says who: {line!r}")
        page = daemon.get("/metrics").text + daemon.get("/").text
        assert "python3" not in page and "daemon\"" not in page and str(pid) not in re.findall(r'"(\d+)"', page)

        explain = ["explain", "--config", site.write_config(), watched.root / "settings.py"]
        shown = driftd(*explain, env=environment(**site.directories())).expect(DRIFT)
        rows = dict(re.findall(r"(?m)^  ([a-z]+) +(.*)$", shown.out))
        assert re.fullmatch(rf"python3 \(pid {pid}, /usr/bin/python3\S*\), seen \S+Z", rows["by"])
        assert rows["user"] == "bin, login daemon"
        assert re.match(r"session \d+, pts/\d+", rows["session"])
        assert rows["parents"].startswith("sh (pid ")
        # An argument is cut after 80 bytes.
        assert re.search(r" --password=hunter2-0{61} \.\.\.$", rows["command"])

        (finding,) = check(site).document["trees"][0]["drift"]
        assert finding["evidence"]["pid"] == pid
        assert finding["evidence"]["login_user"] == "daemon"
        assert finding["evidence"]["arguments_cut"] is True
    # It outlives the daemon, and the drift keeps it.
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {"modified": 1})
        assert evidence_for(site, "settings.py") == evidence


def test_what_changed_while_no_daemon_ran_is_nobodys(site: Site, watched: Tree) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        make_known_edit(site, watched, daemon)
    write_files(watched.root, {"settings.py": "by somebody else\n"})
    # What the daemon has last heard of is in its state still.
    assert open_drift(site)["settings.py"] is not None
    (finding,) = check(site).document["trees"][0]["drift"]
    assert "evidence" not in finding
    explain = ["explain", "--config", site.write_config(), watched.root / "settings.py"]
    shown = driftd(*explain, env=environment(**site.directories())).expect(DRIFT)
    assert "pid" not in shown.out
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {"modified": 1})
        wait_until(lambda: open_drift(site), lambda seen: seen == {"settings.py": None}, "nobody knows who it was")


REMOVE = by("rm lib/util.py; :", "rm", "lib/util.py", "missing")


def who_removed(site: Site, among: int = 1) -> int | None:
    findings = check(site).document["trees"][0]["drift"]
    (missing,) = (finding for finding in findings if finding["kind"] == "missing")
    assert (len(findings), missing["path"]) == (among, "lib/util.py")
    return missing.get("evidence", {}).get("pid")


def who_recorded(site: Site) -> int | None:
    return (open_drift(site)["lib/util.py"] or {}).get("pid")


def test_who_removed_a_file_is_known_as_long_as_nobody_can_have_put_it_back(site: Site, watched: Tree) -> None:
    removed = watched.root / "lib" / "util.py"
    succeed(["cp", "-a", watched.root, site.directory / "pristine"])
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        evidence, _ = seen_edit(site, watched, daemon, REMOVE)
        assert who_removed(site) == evidence["pid"]
    assert who_removed(site) == evidence["pid"]
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {"missing": 1})
        assert open_drift(site)["lib/util.py"] == evidence
    removed.write_text("by somebody else\n")
    removed.unlink()
    assert open_drift(site)["lib/util.py"] == evidence
    assert who_removed(site) is None
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {"missing": 1})
        wait_until(lambda: open_drift(site), lambda seen: seen == {"lib/util.py": None}, "nobody knows who it was")


def test_a_file_that_is_put_back_and_removed_where_nobody_looks(site: Site, watched: Tree) -> None:
    """In its directory, which is moved away meanwhile."""
    lib, away = watched.root / "lib", site.directory / "away"
    succeed(["cp", "-a", watched.root, site.directory / "pristine"])
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        seen_edit(site, watched, daemon, REMOVE)
        lib.rename(away)
        (away / "util.py").write_text("by somebody else\n")
        (away / "util.py").unlink()
        away.rename(lib)
        # If the directory is back when its events are read, they tell who it was.
        by_whom = (None, os.getpid())
        wait_until(lambda: who_recorded(site), lambda pid: pid in by_whom, "it is not the first any more")
        daemon.wait_for_drift("app", {"missing": 1})
        assert who_removed(site) in by_whom


def test_who_removed_a_file_is_known_whoever_else_changes_its_directory_at_once(site: Site, watched: Tree) -> None:
    line = "rm lib/util.py; : > lib/new.py; ln -s new.py lib/link; :"
    remove = by(line, "rm", "lib/util.py", "missing")
    succeed(["cp", "-a", watched.root, site.directory / "pristine"])
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        evidence, _ = seen_edit(site, watched, daemon, remove)
        assert evidence["name"] == "rm"
        wait_until(lambda: set(open_drift(site)), lambda seen: len(seen) == 3, "all three are recorded")
        # And later: names come and go, and the directory has another mode for a while.
        write_files(watched.root, {"lib/lock": ""})
        (watched.root / "lib" / "lock").unlink()
        for mode in (0o700, 0o755):
            (watched.root / "lib").chmod(mode)
        command(site, "scan", "now").expect(DRIFT)
        wait_until(lambda: who_removed(site, among=3), lambda pid: pid == evidence["pid"], "who removed it is known")


def test_the_last_of_several(site: Site, watched: Tree) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        first = make_known_edit(site, watched, daemon)
        assert first["several"] is False
        line = "python3 -c \"import time; open('settings.py', 'a').write('#'); time.sleep(0.3)\"; :"
        succeed(["sh", "-euc", line], cwd=watched.root)
        second = wait_until(
            lambda: open_drift(site)["settings.py"], lambda seen: seen is not None and seen != first, "the second one"
        )
        assert second is not None
        assert (second["several"], second["uid"]) == (True, 0)
        again = b"drift touched again: modified settings.py"
        assert daemon.log().count(again) == 1
        # The same program once more is no news, but it is this process now.
        succeed(["sh", "-euc", line], cwd=watched.root)
        third = wait_until(
            lambda: open_drift(site)["settings.py"], lambda seen: seen is not None and seen != second, "the third one"
        )
        assert third is not None
        assert third["pid"] != second["pid"]
        (finding,) = check(site).document["trees"][0]["drift"]
        assert finding["evidence"]["pid"] == third["pid"]
        assert daemon.log().count(again) == 1


@contextmanager
def mapping_writer(tree: Tree) -> Iterator[Callable[[], None]]:
    """Somebody who has mapped settings.py, and stores into it on demand."""
    writer = (
        "import mmap, sys\n"
        "with open('settings.py', 'r+b') as file, mmap.mmap(file.fileno(), 0) as memory:\n"
        "    print(flush=True); sys.stdin.readline()\n"
        "    memory[0] = ord('#'); memory.flush(); print(flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        ["python3", "-c", writer], cwd=tree.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        stdin, stdout = process.stdin, process.stdout
        stdout.readline()

        def store() -> None:
            stdin.write(b"\n")
            stdin.flush()
            stdout.readline()

        yield store
        stdin.write(b"\n")


def test_an_edit_that_nobody_told_of_is_nobodys(site: Site, watched: Tree) -> None:
    """Somebody touches a file and leaves it as it was; later another writes through a mapping. It was not the first."""
    watched.settings["quick_scan"] = "2s"
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        make_known_edit(site, watched, daemon)  # from here on, changes are told
        put_back(site, watched)
        daemon.wait_for_drift("app", {})
        with mapping_writer(watched) as store:
            looks = daemon.metrics().number("driftd_detection_latency_seconds_count")
            touch = "import os, time; os.utime('settings.py'); time.sleep(0.2)"
            in_session(SOMEBODY, ["python3", "-c", touch], watched.root)
            daemon.wait_for_metrics(
                lambda page: page.number("driftd_detection_latency_seconds_count") > looks, "the touch was looked at"
            )
            store()
            daemon.wait_for_drift("app", {"modified": 1}, 20)
            assert evidence_for(site, "settings.py") is None


def test_who_opens_what_another_changes_through_a_mapping_has_perhaps_written_nothing(
    site: Site, watched: Tree
) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        make_known_edit(site, watched, daemon)
        put_back(site, watched)
        daemon.wait_for_drift("app", {})
        with mapping_writer(watched) as store:
            store()
            opening = "import time; open('settings.py', 'r+b').close(); time.sleep(0.3)"
            in_session(SOMEBODY, ["python3", "-c", opening], watched.root)
            daemon.wait_for_drift("app", {"modified": 1})
            assert evidence_for(site, "settings.py") is None


def test_who_writes_by_a_name_that_is_gone_is_not_who_touched_the_file_before(site: Site, watched: Tree) -> None:
    """Through a descriptor that another link gave, so that no name tells of the write."""
    other = site.directory / "other"
    touch = "import os, sys; os.utime('settings.py'); print(flush=True); sys.stdin.readline()"
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        make_known_edit(site, watched, daemon)  # from here on, changes are told
        put_back(site, watched)
        daemon.wait_for_drift("app", {})
        os.link(watched.root / "settings.py", other)
        with other.open("a") as file:
            other.unlink()
            time.sleep(0.5)
            command = ["python3", "-c", touch]
            pipe = subprocess.PIPE
            with subprocess.Popen(command, cwd=watched.root, stdin=pipe, stdout=pipe) as process:
                assert process.stdin and process.stdout
                process.stdout.readline()
                time.sleep(0.02)  # it is known who that was, and nobody has looked yet
                file.write("EVIL = True\n")
                file.flush()
                assert evidence_for(site, "settings.py") is None
                process.stdin.write(b"\n")


def test_who_touched_a_file_and_left_it_as_it_was(site: Site, watched: Tree) -> None:
    """It is no drift, and people can ask for it."""

    def explained() -> str:
        explain = ["explain", "--config", site.write_config(), watched.root / "settings.py"]
        return driftd(*explain, env=environment(**site.directories())).expect(CLEAN).out

    line = "import os, time; os.utime('settings.py'); time.sleep(0.3)"
    touched = r"\n  touched +\S.* ago, and left as the release has it\n +"
    by = r"by python3 \(pid \d+, /usr/bin/python3\S*\), bin, login daemon, session \d+, pts/\d+"
    assert "touched" not in explained()
    for _ in range(ATTEMPTS):
        with Daemon(site) as daemon:
            daemon.wait_ready().wait_for_drift("app", {})
            in_session(SOMEBODY, ["python3", "-c", line], watched.root)
            shown = wait_until(explained, lambda text: "touched" in text, "it is told", 90)
            assert re.search(f"{touched}by (unknown|python3 .*)\n", shown)
            # What is found to be drift was not left as it was.
            write_files(watched.root, {"app.py": "edited\n"})
            daemon.wait_for_drift("app", {"modified": 1})
            assert daemon.log().count(b"app: drift ") == daemon.log().count(b"app.py")
        write_files(watched.root, SMALL_APPLICATION)
        if re.search(touched + by, shown):
            break
    else:
        raise AssertionError(f"in {ATTEMPTS} attempts nobody was seen")
    with closing(sqlite3.connect(site.directory / "state" / "state.db")) as database:
        assert database.execute("SELECT path FROM touch").fetchall() == [(b"settings.py",)]


def test_without_events_nobody_is_known(site: Site, watched: Tree) -> None:
    site.settings["watch"] = "polling"
    watched.settings["quick_scan"] = "1s"
    with Daemon(site) as daemon:
        daemon.wait_ready()
        write_files(watched.root, {"settings.py": "x\n"})
        daemon.wait_for_drift("app", {"modified": 1}, 10)
        assert evidence_for(site, "settings.py") is None
        assert b"; by " not in daemon.log()
