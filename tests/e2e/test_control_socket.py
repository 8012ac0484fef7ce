"""The control socket itself: who may use it, what is left of it, and what hostile or careless clients can do."""

import json
import os
import signal
import socket
import stat
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.control import STATUS_REQUEST, all_of, as_nobody, command, connect, exchange, refusal, socket_of, status
from support.daemon import Daemon
from support.http import request
from support.marks import needs_root
from support.process import Process
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFTD, USAGE, driftd, environment, run
from support.safe_output import assert_safe
from support.site import Site, Tree, free_port, write_files
from support.waiting import wait_until

pytestmark = needs_root

# What the daemon grants a client to say what it wants, and to take the answer.
PATIENCE_SECONDS = 10
# How often it looks for its socket, or tries to make one.
RETRY_SECONDS = 10


class TestPlace:
    def test_it_is_for_root_alone_and_gone_at_the_end(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            mode = socket_of(site).lstat().st_mode
            assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
        assert os.listdir(site.directory / "run") == []

    def test_not_running(self, site: Site, app: Tree) -> None:
        site.write_config()
        for words in (["status"], ["status", "--json"], ["scan", "now"], ["scan", "now", "--no-wait"]):
            result = command(site, *words).expect(COULD_NOT_JUDGE)
            assert result.stdout == b"" and len(result.err.splitlines()) == 1, str(result)
            assert result.err.startswith(f"driftd: {socket_of(site)}: no daemon is running; start it"), str(result)
            assert "driftd --check" in result.err

    @pytest.mark.skipif(Path("/etc/driftd/driftd.yaml").exists(), reason="this host has a configuration")
    def test_neither_a_daemon_nor_a_configuration(self, site: Site) -> None:
        for words in (["status"], ["scan", "now"]):
            result = driftd(*words, env=environment(**site.directories())).expect(COULD_NOT_JUDGE)
            assert result.stdout == b"" and len(result.err.splitlines()) == 1, str(result)
            assert result.err.startswith(f"driftd: {socket_of(site)}: no daemon is running, and none would start: ")
            assert "/etc/driftd/driftd.yaml: there is no configuration; name one with --config" in result.err

    @pytest.mark.skipif(Path("/etc/driftd/driftd.yaml").exists(), reason="this host has a configuration")
    def test_a_daemon_whose_configuration_is_gone(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            result = driftd("status", env=environment(**site.directories())).expect(CLEAN)
            assert "there is no configuration" in result.err and len(result.err.splitlines()) == 1, str(result)
            assert "CLEAN" in result.out

    def test_what_a_killed_daemon_left_is_replaced(self, site: Site, app: Tree) -> None:
        killed = Daemon(site).start()
        try:
            killed.wait_ready()
        finally:
            killed.end()
        assert socket_of(site).is_socket(), "the test needs one that is left"
        assert "no daemon is running" in status(site).expect(COULD_NOT_JUDGE).err
        with Daemon(site) as daemon:
            daemon.wait_ready()
            status(site).expect(CLEAN)

    def test_a_second_daemon_steals_nothing(self, site: Site, app: Tree, workdir: Path) -> None:
        with ExitStack() as stack:
            first = stack.enter_context(Daemon(site)).wait_ready()
            configuration = site.configuration() | {
                "web": {"listen": [f"127.0.0.1:{(port := free_port())}"]},
                "state_directory": str(workdir / "second"),
            }
            (workdir / "second").mkdir()
            (workdir / "second.yaml").write_text(json.dumps(configuration))
            words = [DRIFTD, "run", "--config", workdir / "second.yaml"]
            log = workdir / "second.log"
            second = stack.enter_context(Process(words, log, environment(**site.directories())))
            said = f"another driftd answers there (process {first.pid})".encode()
            wait_until(second.log, lambda text: said in text, "the second one says so")
            assert b"trees are watched all the same" in second.log()
            shown = status(site).expect(CLEAN)
            assert f"--config {workdir / 'second.yaml'}" not in shown.out
            # It says so where somebody looks, too, and only once in the log.
            told = "driftd status and driftd scan do not work"
            wait_until(lambda: page_of(port), lambda text: told in text, "the page says so")
            time.sleep(3)
            assert second.log().count(said) == 1
            # Once the first one has gone, its place is free.
            first.stop_in_time()
            wait_until(lambda: status(site).code, lambda code: code == CLEAN, "the second one", RETRY_SECONDS + 10)
            assert b"the control socket works now" in second.log()
            assert second.stop() == CLEAN
            assert not socket_of(site).exists()

    def test_one_that_was_removed_is_made_anew(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            socket_of(site).unlink()
            wait_until(lambda: status(site).code, lambda code: code == CLEAN, "it is back", RETRY_SECONDS)
            socket_of(site).unlink()
            socket_of(site).parent.rmdir()
            wait_until(lambda: status(site).code, lambda code: code == CLEAN, "it is back", RETRY_SECONDS + 5)

    def test_a_directory_that_is_missing_is_made(self, site: Site, app: Tree) -> None:
        (site.directory / "run").rmdir()
        with Daemon(site) as daemon:
            daemon.wait_ready()
            status(site).expect(CLEAN)

    @pytest.mark.parametrize("case", ["no parent", "a file", "something there", "too long"])
    def test_without_a_socket_trees_are_watched_all_the_same(self, site: Site, app: Tree, case: str) -> None:
        directory = site.directory / {"no parent": "a/b", "too long": "x" * 120}.get(case, "elsewhere")
        why = {
            "no parent": "No such file or directory",
            "a file": "Not a directory",
            "something there": "something else than a socket stands there",
            "too long": "longer than the name of a socket can be; set run_directory",
        }[case]
        if case == "a file":
            directory.write_text("")
        if case == "something there":
            directory.mkdir()
            (directory / "control.sock").write_text("precious")
        site.settings["run_directory"] = str(directory)
        with Daemon(site) as daemon:
            daemon.wait_ready()
            assert f"no control socket: {directory}" in daemon.log().decode() and why in daemon.log().decode()
            write_files(app.root, {"app.py": "edited\n"})
            daemon.wait_for_drift("app", {"modified": 1})
            assert "driftd status and driftd scan do not work" in daemon.get("/").text
            assert str(directory) not in daemon.get("/").text, "the page shows no paths"
            asked = status(site).expect(COULD_NOT_JUDGE)
            assert asked.stdout == b"" and len(asked.err.splitlines()) == 1, str(asked)
        if case == "something there":
            assert (directory / "control.sock").read_text() == "precious"


def page_of(port: int) -> str:
    return request(port, "/").text


class TestOthers:
    def test_another_user_is_told_to_be_root(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            asked = run(
                as_nobody(site, "status", "--config", site.config), env=environment(**site.directories())
            ).expect(COULD_NOT_JUDGE)
            assert asked.err == f"driftd: {socket_of(site)}: permission denied; run this as root\n"
            assert asked.stdout == b""

    def test_not_even_with_a_mode_that_lets_him(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            socket_of(site).chmod(0o666)
            asked = run(
                as_nobody(site, "status", "--config", site.config), env=environment(**site.directories())
            ).expect(COULD_NOT_JUDGE)
            assert asked.err == "driftd: only root may ask\n" and asked.stdout == b""

    def test_another_user_is_not_believed(self, site: Site, app: Tree) -> None:
        """Whoever can write the run directory could call everything clean."""
        site.write_config()
        os.chown(site.directory / "run", 65534, 65534)
        script = (
            "import socket, sys\n"
            "server = socket.socket(socket.AF_UNIX)\n"
            "server.bind(sys.argv[1])\n"
            "server.listen()\n"
            "print('listening', flush=True)\n"
            "client, _ = server.accept()\n"
            'client.sendall(b\'{"exit":0,"length":6}\\nCLEAN\\n\')\n'
            "client.recv(1000)\n"
        )
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", script]
        with Process([*words, socket_of(site)], site.directory / "liar.log") as liar:
            wait_until(liar.log, lambda text: b"listening" in text, "the liar listens")
            asked = status(site).expect(COULD_NOT_JUDGE)
            assert "neither root nor you, and so not believed" in asked.err and asked.stdout == b""


class FakeDaemon(threading.Thread):
    """Answers the first client with these bytes, as root, and closes."""

    def __init__(self, site: Site, answer: bytes) -> None:
        super().__init__(daemon=True)
        self.answer = answer
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(socket_of(site)))
        self.server.listen()

    def run(self) -> None:
        client, _ = self.server.accept()
        with client:
            client.recv(1 << 16)
            try:
                client.sendall(self.answer)
            except OSError:
                pass  # it has heard enough
        self.server.close()


BROKEN_ANSWERS = {
    "nothing": b"",
    "a note alone": b'{"note":"app: a full scan begins"}\n',
    "half a line": b'{"exit":0,"len',
    "half the text": b'{"exit":0,"length":100}\nCLEAN\n',
    "another exit code": b'{"exit":3,"length":0}\n',
    "one that would wrap": b'{"exit":256,"length":0}\n',
    "no length": b'{"exit":0}\nCLEAN\n',
    "text": b"CLEAN\n",
    "a line without an end": b"x" * (1 << 20),
    "more than can be": b'{"exit":0,"length":1000000000000}\nCLEAN\n',
}


@pytest.mark.parametrize("case", BROKEN_ANSWERS)
def test_an_answer_that_is_none_is_no_verdict(site: Site, app: Tree, case: str) -> None:
    site.write_config()
    fake = FakeDaemon(site, BROKEN_ANSWERS[case])
    fake.start()
    asked = status(site, timeout=20).expect(COULD_NOT_JUDGE)
    assert asked.stdout == b"" and str(socket_of(site)) in asked.err, str(asked)


GARBAGE = {
    "nothing": b"\n",
    "no JSON": b"status\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "not an object": b'["status"]\n',
    "no version": b'{"command":"status"}\n',
    "another version": b'{"version":2,"command":"status"}\n',
    "no command": b'{"version":1}\n',
    "another command": b'{"version":1,"command":"rm \\u001b[31m -rf"}\n',
    "another member": b'{"version":1,"command":"status","x":1}\n',
    "another type": b'{"version":1,"command":"status","json":"yes"}\n',
    "trees of another type": b'{"version":1,"command":"scan","trees":[1]}\n',
    "very deep": b"[" * 5000 + b"\n",
    "bytes": bytes(range(128, 256)) + b"\n",
    "NUL": b"\0\n",
}


class TestClients:
    @pytest.mark.parametrize("case", GARBAGE)
    def test_garbage_is_refused(self, site: Site, app: Tree, case: str) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            why = refusal(exchange(site, GARBAGE[case]))
            assert why.startswith("not a request: "), why
            assert_safe(why.encode(), "the refusal")
            status(site).expect(CLEAN)

    def test_too_much_is_refused(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            assert refusal(exchange(site, b"x" * (1 << 20))) == "the request is too large"
            status(site).expect(CLEAN)

    def test_half_a_request_gets_no_answer(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            with connect(site) as client:
                client.sendall(STATUS_REQUEST[:-1])
                client.shutdown(socket.SHUT_WR)
                assert all_of(client) == b""

    def test_a_request_in_pieces_is_one(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            with connect(site) as client:
                for byte in STATUS_REQUEST:
                    client.sendall(bytes([byte]))
                head, _, body = all_of(client).partition(b"\n")
            assert json.loads(head) == {"exit": CLEAN, "length": len(body)}

    def test_silent_clients_cost_nobody_anything(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon, ExitStack() as stack:
            daemon.wait_ready()
            silent = []
            for _ in range(200):
                silent.append(stack.enter_context(connect(site)))
                silent[-1].sendall(b'{"version":')
            begin = time.monotonic()
            status(site, timeout=10).expect(CLEAN)
            command(site, "scan", "now", timeout=10).expect(CLEAN)
            write_files(app.root, {"app.py": "edited\n"})
            daemon.wait_for_drift("app", {"modified": 1})
            assert time.monotonic() - begin < PATIENCE_SECONDS, "nothing has waited for their time to be over"
            descriptors = len(os.listdir(f"/proc/{daemon.pid}/fd"))
            assert descriptors < 150, f"{descriptors} descriptors are open"
            # And theirs is over one day.
            silent[-1].settimeout(PATIENCE_SECONDS + 10)
            assert all_of(silent[-1]) == b""
            assert PATIENCE_SECONDS - 2 < time.monotonic() - begin

    def test_commands_at_once(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon, ExitStack() as stack:
            daemon.wait_ready()
            words = [DRIFTD, "status", "--json", "--config", site.config]
            env = environment(**site.directories())
            running = [
                stack.enter_context(Process(words, site.directory / f"status-{number}.json", env))
                for number in range(12)
            ]
            assert [one.wait(60) for one in running] == [CLEAN] * len(running)

    def test_a_daemon_that_does_not_answer(self, site: Site, app: Tree) -> None:
        """Stopped, as in a debugger: the command does not hang with it."""
        with Daemon(site) as daemon:
            daemon.wait_ready()
            daemon.send(signal.SIGSTOP)
            try:
                begin = time.monotonic()
                asked = status(site, timeout=30).expect(COULD_NOT_JUDGE)
                assert "the daemon does not answer" in asked.err and time.monotonic() - begin < 20
            finally:
                daemon.send(signal.SIGCONT)
            status(site).expect(CLEAN)

    def test_usage_of_a_request_is_told(self, site: Site, app: Tree) -> None:
        with Daemon(site) as daemon:
            daemon.wait_ready()
            answer = exchange(site, b'{"version":1,"command":"scan","trees":["\xe2\x80\xae\\u001b"]}\n').splitlines()
            assert json.loads(answer[1]) == {"exit": USAGE, "length": 0}
            assert_safe(answer[0], "the note")
