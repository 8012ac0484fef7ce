"""The control socket: the commands that use it, and what else may connect to it."""

import json
import socket
from pathlib import Path
from typing import Any

from support.programs import DRIFTD, Result, driftd, environment
from support.site import Site
from support.status_shape import validate

STATUS_REQUEST = b'{"version":1,"command":"status","json":true}\n'


def socket_of(site: Site) -> Path:
    return site.directory / "run" / "control.sock"


def command(site: Site, *arguments: str, **how: Any) -> Result:
    """driftd status and driftd scan, by the configuration as it lies on disk."""
    how.setdefault("env", environment(**site.directories()))
    return driftd(*arguments, "--config", site.config, **how)


def status(site: Site, **how: Any) -> Result:
    return command(site, "status", **how)


def status_document(site: Site) -> dict[str, Any]:
    result = command(site, "status", "--json")
    assert result.stderr == b"", str(result)
    return validate(result.json(), result.code)


def tree_of(document: dict[str, Any], name: str = "app") -> dict[str, Any]:
    return next(tree for tree in document["trees"] if tree["name"] == name)


def connect(site: Site, seconds: float = 30) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(seconds)
    client.connect(str(socket_of(site)))
    return client


def all_of(client: socket.socket) -> bytes:
    """What comes until the daemon closes; a connection that it broke off has ended, too."""
    received = b""
    try:
        while piece := client.recv(1 << 16):
            received += piece
    except ConnectionResetError:
        pass
    return received


def exchange(site: Site, request: bytes) -> bytes:
    """Whatever is sent, as far as the daemon takes it, and what it says."""
    with connect(site) as client:
        try:
            client.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return all_of(client)


def as_nobody(site: Site, *arguments: str | Path) -> list[str | Path]:
    """driftd as a user who may read little; a copy, for the build may lie where he cannot go."""
    program = site.directory / "driftd"
    if not program.exists():
        program.write_bytes(DRIFTD.read_bytes())
        program.chmod(0o755)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, *arguments]


def refusal(answer: bytes) -> str:
    """Of an answer that is nothing but a note and an exit code of 1."""
    lines = answer.splitlines()
    assert [json.loads(line) for line in lines[1:]] == [{"exit": 1, "length": 0}], answer
    return json.loads(lines[0])["note"]
