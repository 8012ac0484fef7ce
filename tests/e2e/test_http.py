"""The web server: its pages, and that no client is any other's problem."""

import http.client
import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from support.daemon import Daemon
from support.marks import needs_root
from support.site import Site, small_application, write_files
from support.waiting import wait_until
from support.workdir import new_workdir

pytestmark = needs_root

SLOW_CLIENTS = 40
HEADER = b"Host: x\r\n"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """One for all: a client that does harm shows in the tests that follow, and at the end."""
    with new_workdir() as directory:
        site = Site(directory)
        tree = site.tree("app")
        small_application(tree.root)
        site.release(tree)
        with Daemon(site) as daemon:
            yield daemon.wait_ready()


@pytest.fixture(autouse=True)
def still_alive(daemon: Daemon) -> Iterator[None]:
    yield
    assert daemon.get("/-/healthy").status == 200


def connect(daemon: Daemon) -> socket.socket:
    return socket.create_connection(("127.0.0.1", daemon.port), timeout=10)


def talk(daemon: Daemon, sent: bytes) -> bytes:
    """Sends bytes and reads until the server closes or 2 s are over; a reset is an answer, too."""
    received = b""
    with connect(daemon) as client:
        client.settimeout(2)
        try:
            client.sendall(sent)
            while more := client.recv(65536):
                received += more
        except OSError:
            pass
    return received


def test_metrics(daemon: Daemon) -> None:
    answer = daemon.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"driftd_build_info{" in answer.body


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_health(daemon: Daemon, path: str) -> None:
    assert daemon.get(path).status == 200


def test_status_page(daemon: Daemon) -> None:
    """Anybody may see verdicts and counts, but no path."""
    root = daemon.site.trees["app"].root
    write_files(root, {"secret-name.py": "x\n"})
    daemon.wait_for_drift("app", {"added": 1})
    answer = daemon.get("/")
    (root / "secret-name.py").unlink()
    daemon.wait_for_drift("app", {})
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
    assert "app" in answer.text and "drift" in answer.text.lower()
    assert "secret-name" not in answer.text


UNKNOWN = ("/nothing", "/metrics/", "/metrics/x", "//", "/../etc/passwd", "/%2e%2e/etc/passwd", "/-/")


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_path_is_404(daemon: Daemon, path: str) -> None:
    assert daemon.get(path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy"])
def test_another_method_is_405(daemon: Daemon, method: str, path: str) -> None:
    answer = daemon.get(path, method, body=b"x")
    assert answer.status == 405 and "GET" in answer.headers.get("allow", ""), answer


def test_a_connection_can_be_used_again(daemon: Daemon) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=5)
    with closing(connection):
        connection.connect()
        first = connection.sock
        for _ in range(3):
            connection.request("GET", "/-/healthy")
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, connection.sock) == (200, first)


def test_two_requests_at_once_get_two_answers(daemon: Daemon) -> None:
    one = b"GET /-/healthy HTTP/1.1\r\n" + HEADER + b"\r\n"
    last = b"GET /-/healthy HTTP/1.1\r\nConnection: close\r\n" + HEADER + b"\r\n"
    assert talk(daemon, one + last).count(b"HTTP/1.1 200") == 2


GARBAGE = {
    "random": random.Random(1).randbytes(4096),
    "zeros": bytes(4096),
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "no path": b"GET\r\n\r\n",
    "no such version": b"GET / HTTP/9.9\r\n\r\n",
    "a long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HEADER + b"\r\n",
    "a long header": b"GET / HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    "a long body": b"GET /metrics HTTP/1.1\r\n" + HEADER + b"Content-Length: 1000000\r\n\r\n" + b"a" * 1_000_000,
    "a body that never comes": b"POST /metrics HTTP/1.1\r\n" + HEADER + b"Content-Length: 99999999999999999999\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\n" + HEADER + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "bad chunks": b"POST / HTTP/1.1\r\n" + HEADER + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n",
    "no line end": b"GET / HTTP/1.1",
    "nothing": b"",
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_does_no_harm(daemon: Daemon, case: str) -> None:
    answer = talk(daemon, GARBAGE[case])
    assert b"driftd_build_info{" not in answer or case == "a long body", "nonsense is no request for the metrics"


def seconds_for_metrics(daemon: Daemon) -> float:
    begin = time.monotonic()
    assert daemon.get("/metrics").status == 200
    return time.monotonic() - begin


def test_slow_clients_cost_nobody_else_anything(daemon: Daemon) -> None:
    """Some never end their request, some never read their answers."""
    with ExitStack() as stack:
        for number in range(SLOW_CLIENTS):
            client = stack.enter_context(connect(daemon))
            client.sendall(b"GET /metr" if number % 2 else (b"GET /metrics HTTP/1.1\r\n" + HEADER + b"\r\n") * 50)
        taken = [seconds_for_metrics(daemon) for _ in range(10)]
        # Who had to wait for one of them would wait until it is dropped, for ten seconds.
        assert max(taken) < 5, f"seconds taken: {taken}"


def test_a_silent_client_is_dropped(daemon: Daemon) -> None:
    """Its connection ends by the server's own time limit, whatever that is, in less than a minute."""
    with connect(daemon) as client:
        client.sendall(b"GET /metr")
        client.setblocking(False)

        def dropped() -> bool:
            try:
                return not client.recv(65536)
            except BlockingIOError:
                return False
            except ConnectionError:
                return True

        wait_until(dropped, bool, "the server drops a client that stays silent", seconds=60, every=0.5)
