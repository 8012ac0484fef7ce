"""Paths and who changed them over HTTP: for nobody, unless the configuration says that they are for everyone."""

import html
import json
import os
import signal
import time
from typing import Any

import pytest

from support.control import status_document
from support.daemon import Daemon
from support.fanotify import kernel_can_watch
from support.hostile_names import NAMES, edit_files, make_tree
from support.json_shape import raw_path
from support.marks import needs_root
from support.programs import DRIFT
from support.safe_output import assert_safe
from support.site import Site, Tree, write_files
from support.status_shape import validate, validate_drift
from support.waiting import wait_until

pytestmark = needs_root

API = ("/api/v1/status", "/api/v1/drift")
MANY, MOST_LISTED = 1_500, 1_000


def make_public(site: Site, public: bool = True) -> None:
    site.settings["web"] = {"listen": [f"127.0.0.1:{site.port}"], "public_details": public}


def get_json(daemon: Daemon, path: str) -> dict[str, Any]:
    answer = daemon.get(path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer
    return json.loads(answer.text)


def test_they_are_for_nobody(site: Site, app: Tree) -> None:
    write_files(app.root, {"added.txt": "x\n"})
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {"added": 1})
        for path in API:
            answer = daemon.get(path)
            assert answer.status == 403 and "web.public_details" in answer.text and "added.txt" not in answer.text
            assert daemon.get(path + "?public_details=true").status == 403
        assert daemon.get("/api/v1/").status == daemon.get("/api/v1/status/").status == 404
        assert "added.txt" not in daemon.get("/").text


def test_they_are_what_the_status_says(site: Site, app: Tree) -> None:
    make_public(site)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        validate(get_json(daemon, "/api/v1/status"), 0)
        assert validate_drift(get_json(daemon, "/api/v1/drift"))["trees"][0]["drift"] == []
        write_files(app.root, {"settings.py": "DEBUG = True\n"})
        daemon.wait_for_drift("app", {"modified": 1})
        asked = status_document(site)
        answered = validate(get_json(daemon, "/api/v1/status"), DRIFT)
        changing = ("now", "trees")
        assert {key: answered[key] for key in answered if key not in changing} == {
            key: asked[key] for key in asked if key not in changing
        }
        drift = asked["trees"][0]["drift"]
        assert answered["trees"][0]["drift"] == drift
        paths = validate_drift(get_json(daemon, "/api/v1/drift"))
        assert (paths["verdict"], paths["trees"][0]["drift"]) == ("drift", drift)


def test_who_made_an_edit_is_there(site: Site, app: Tree) -> None:
    if not kernel_can_watch(site.directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")
    make_public(site)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})

        def edited() -> list[dict[str, Any]]:
            """Again until directories are watched, which is soon."""
            write_files(app.root, {"settings.py": f"DEBUG = {time.monotonic()}\n"})
            daemon.wait_for_drift("app", {"modified": 1})
            return [get_json(daemon, path)["trees"][0]["drift"][0].get("evidence", {}) for path in API]

        who = wait_until(edited, all, "it is known who made the edit", every=0.3)
        assert all((one["pid"], one["user"]) == (os.getpid(), "root") for one in who)


def test_the_page_for_people_shows_them(site: Site, app: Tree) -> None:
    make_public(site)
    write_files(app.root, {"<b>&added": "x\n"})
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {"added": 1})
        page = daemon.get("/").text
        assert "<b>&added" not in page
        shown = html.unescape(page.partition("<pre>")[2].partition("</pre>")[0])
        assert "added     <b>&added" in shown


def test_a_reload_opens_and_closes_them(site: Site, app: Tree) -> None:
    with Daemon(site) as daemon:
        daemon.wait_ready()
        for public, wanted in ((True, 200), (False, 403)):
            make_public(site, public)
            site.write_config()
            daemon.send(signal.SIGHUP)
            for path in API:
                daemon.wait_for_status(path, wanted)


def test_hostile_names(site: Site) -> None:
    tree = site.tree("app")
    make_tree(tree.root)
    site.release(tree)
    edit_files(tree.root)
    make_public(site)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {"modified": len(NAMES)})
        found = validate_drift(get_json(daemon, "/api/v1/drift"))["trees"][0]["drift"]
        assert sorted(map(raw_path, found)) == sorted(NAMES)
        for path in ("/", *API):
            assert_safe(daemon.get(path).body, path)
        assert "<script" not in daemon.get("/").text


def test_a_document_has_an_end(site: Site, app: Tree) -> None:
    write_files(app.root, {f"added-{number}": "" for number in range(MANY)})
    make_public(site)
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {"added": MANY})
        (tree,) = validate_drift(get_json(daemon, "/api/v1/drift"))["trees"]
        assert tree["cut"] and MOST_LISTED <= len(tree["drift"]) < MOST_LISTED + 100
        assert tree["counts"]["drift"] == {"added": MANY}
        assert len(daemon.get("/").text) < 10_000
