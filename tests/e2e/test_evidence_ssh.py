"""vim over a real SSH login: who it was, at which terminal, from where."""

import os
import pty
import select
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.evidence import open_drift
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.process import Process
from support.programs import environment, printable, succeed
from support.site import Site, Tree, free_port
from support.waiting import wait_until

SSHD = Path("/usr/sbin/sshd")

pytestmark = [needs_root, pytest.mark.skipif(not SSHD.exists(), reason="needs openssh-server")]


class Sshd(Process):
    """Lets root in by a key, with nothing of the host's configuration, and so without PAM."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        for name in ("host", "client"):
            succeed(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name])
        shutil.copyfile(directory / "client.pub", directory / "authorized")
        (directory / "authorized").chmod(0o600)
        Path("/run/sshd").mkdir(exist_ok=True)
        options = {
            "ListenAddress": f"127.0.0.2:{self.port}",
            "HostKey": directory / "host",
            "AuthorizedKeysFile": directory / "authorized",
            "StrictModes": "no",
            "UsePAM": "no",
            "PidFile": "none",
            "PermitRootLogin": "prohibit-password",
        }
        (directory / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        super().__init__([SSHD, "-D", "-e", "-f", directory / "sshd_config"], directory / "sshd.log")

    def login(self, user: str, line: str) -> list[str]:
        options = ["-F", "none", "-tt", "-p", str(self.port), "-i", str(self.directory / "client"), "-b", "127.0.0.3"]
        for option in ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"):
            options += ["-o", option]
        return ["ssh", *options, f"{user}@127.0.0.2", line]


@pytest.fixture
def sshd(workdir: Path) -> Iterator[Sshd]:
    directory = workdir / "ssh"
    directory.mkdir(mode=0o755)
    with Sshd(directory) as running:
        wait_until(running.log, lambda log: b"listening" in log, "sshd listens")
        yield running


def typed(command: list[str], keys: bytes, ready: bytes, seconds: float = 30) -> bytes:
    """Runs it on a terminal, and types when `ready` has shown."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(command[0], command, environment(TERM="vt100"))
    deadline = time.monotonic() + seconds
    shown, is_typed = b"", False
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                shown += os.read(terminal, 4096)
            except OSError:
                break
        if not is_typed and ready in shown:
            is_typed = os.write(terminal, keys) > 0
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert status == 0, f"status {status}\n{printable(shown)}"
    return shown


def test_vim_over_ssh(site: Site, app: Tree, sshd: Sshd) -> None:
    if not kernel_can_watch(site.directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")
    script = site.directory / "session"
    script.write_text(f"tty\ncd {app.root}\nvim.tiny -u NONE -N settings.py\n")
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        for _ in range(10):
            shown = typed(sshd.login("root", f"sh {script}"), b"ggO# by hand\x1b:wq\r", b"DEBUG")
            daemon.wait_for_drift("app", {"modified": 1})
            records = wait_until(lambda: open_drift(site), lambda seen: "settings.py" in seen, "a record")
            evidence = records["settings.py"]
            if evidence is not None:
                break
            (app.root / "settings.py").write_text("DEBUG = False\nSECRET = 'not here'\n")
            daemon.wait_for_drift("app", {})
        assert evidence, "in 10 attempts nobody was seen"
        assert evidence["name"] == "vim.tiny"
        assert (evidence["uid"], evidence["user"]) == (0, "root")
        assert f"/dev/{evidence['terminal']}".encode() in shown
        assert evidence["client"] == "127.0.0.3"
        assert [parent["name"] for parent in evidence["parents"]][-1] == "sshd"
        assert b", from 127.0.0.3" in daemon.log()
