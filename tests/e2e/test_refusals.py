"""What cannot be judged is refused in one clear line, is never called clean, and is unknown in JSON."""

import os
import shutil
import socket
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.checks import check, parse
from support.daemon import Daemon
from support.json_shape import validate
from support.marks import needs_root
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFT, DRIFTD, USAGE, Result, driftd, manifest_tool, run
from support.release import build, expire, headers_of, publish, sign
from support.site import Site, Tree, small_application, write_files
from support.stock import minisign_sign

YEAR_2096 = 3_976_214_400


def assert_one_line(result: Result) -> None:
    lines = len(result.stderr.splitlines())
    assert lines == 1, f"{lines} lines, one was to be said\n{result}"


def assert_refused(result: Result, code: int, *words: str | Path) -> None:
    """One line that says what and where, and no verdict that could be taken for a good one."""
    result.expect(code)
    assert_one_line(result)
    for word in words:
        assert str(word).lower() in result.err.lower(), f"the message does not say {word}\n{result}"
    assert "clean" not in result.out.lower(), str(result)


def assert_unknown(result: Result, tree: str) -> None:
    """The document is valid, and says unknown and why; beside it one line for a person at most."""
    document = validate(result.json(), result.expect(COULD_NOT_JUDGE).code)
    assert document["verdict"] == "unknown", str(result)
    verdicts = {entry["name"]: entry for entry in document["trees"]}
    assert verdicts[tree]["verdict"] == "unknown" and verdicts[tree]["problems"], str(result)
    assert len(result.stderr.splitlines()) <= 1, str(result)


# ---- a manifest that must not be believed


@dataclass(frozen=True)
class Spoilt:
    """How a good release is spoilt, and what the message has to say besides the place."""

    name: str
    spoil: Callable[[Site, Tree], object]
    words: tuple[str, ...]
    reasons: tuple[str, ...]  # of which `problems` has to name one

    def __str__(self) -> str:
        return self.name


def flip_a_bit(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def sign_with_a_foreign_key(site: Site, tree: Tree) -> None:
    site.release(tree, keys=site.foreign_key("stranger"))


def narrow_keys(site: Site, tree: Tree) -> None:
    site.trusted_key("elsewhere")
    tree.settings["keys"] = ["elsewhere"]


def unsigned_change(site: Site, tree: Tree) -> None:
    """What somebody does who edits a file and then its line in the manifest."""
    text = tree.manifest.read_text()
    tree.manifest.write_text(text.replace("#release: v1\n", "#release: v2\n"))


def sign_by_other_means(site: Site, tree: Tree, text: str) -> None:
    """With the right key, but with stock minisign: our tool signs nothing that is not a manifest."""
    tree.manifest.write_text(text)
    tree.signature.unlink()
    minisign_sign(site.keys.secret, tree.manifest).expect(0)


def sign_something_else(site: Site, tree: Tree) -> None:
    sign_by_other_means(site, tree, "no manifest at all\n")


def sign_bytes_that_are_not_canonical(site: Site, tree: Tree) -> None:
    sign_by_other_means(site, tree, tree.manifest.read_text().replace("#sequence: 1\n", "#sequence: 01\n"))


def directory_for_manifest(site: Site, tree: Tree) -> None:
    tree.manifest.unlink()
    tree.manifest.mkdir()


SPOILT = (
    Spoilt("a bit flipped in the header", lambda s, t: flip_a_bit(t.manifest, 20), ("signature",), ("signature",)),
    Spoilt("a bit flipped in an entry", lambda s, t: flip_a_bit(t.manifest, -20), ("signature",), ("signature",)),
    Spoilt("a changed header", unsigned_change, ("signature",), ("signature",)),
    Spoilt("the wrong key", sign_with_a_foreign_key, ("sign", "trust"), ("signature",)),
    Spoilt("not the tree's key", narrow_keys, ("sign",), ("signature",)),
    Spoilt("no signature", lambda s, t: t.signature.unlink(), (".minisig",), ("signature", "unreadable")),
    Spoilt("a truncated signature", lambda s, t: os.truncate(t.signature, 100), ("signature",), ("signature",)),
    Spoilt("an empty signature", lambda s, t: os.truncate(t.signature, 0), ("signature",), ("signature",)),
    Spoilt("no manifest", lambda s, t: t.manifest.unlink(), ("No such file",), ("unreadable",)),
    Spoilt("a directory as manifest", directory_for_manifest, (), ("unreadable",)),
    Spoilt("another's manifest", lambda s, t: s.release(t, name="other"), ("other", "app"), ("scope",)),
    Spoilt("a manifest from the future", lambda s, t: s.release(t, epoch=YEAR_2096), ("clock",), ("future",)),
    Spoilt("a label that is not there", lambda s, t: t.settings.update(require={"env": "prod"}), ("env",), ("scope",)),
    Spoilt("not a manifest", sign_something_else, ("manifest",), ("format",)),
    Spoilt("not canonical", sign_bytes_that_are_not_canonical, ("line 5",), ("format",)),
)


@needs_root
@pytest.mark.parametrize("case", SPOILT, ids=str)
def test_a_spoilt_manifest_is_refused(site: Site, app: Tree, case: Spoilt) -> None:
    case.spoil(site, app)
    assert_refused(site.check(), COULD_NOT_JUDGE, "app", app.manifest, *case.words)
    asked_for_json = site.check("--json")
    assert_unknown(asked_for_json, "app")
    tree = asked_for_json.json()["trees"][0]
    assert tree["manifest"] is None and {problem["reason"] for problem in tree["problems"]} & set(case.reasons)
    assert site.check("--quiet").expect(COULD_NOT_JUDGE).stdout == b""


FREE_FORM = ("a bit flipped in the header", "the wrong key", "no signature", "no manifest", "not a manifest")


@pytest.mark.parametrize("case", [case for case in SPOILT if case.name in FREE_FORM], ids=str)
def test_a_spoilt_manifest_is_refused_without_a_configuration(site: Site, app: Tree, case: Spoilt) -> None:
    case.spoil(site, app)
    assert_refused(site.check_free(app), COULD_NOT_JUDGE, app.manifest, *case.words)
    document = validate(site.check_free(app, "--json").json(), COULD_NOT_JUDGE)
    assert document["trees"][0]["verdict"] == "unknown"


@pytest.mark.parametrize("case", [case for case in SPOILT if case.name in FREE_FORM], ids=str)
def test_the_release_tool_refuses_it_as_well(site: Site, app: Tree, case: Spoilt) -> None:
    case.spoil(site, app)
    assert_refused(manifest_tool("verify", "-p", site.keys.public, app.manifest), COULD_NOT_JUDGE, app.manifest)


def test_the_release_tool_refuses_what_no_host_would_take_now(site: Site, app: Tree) -> None:
    verify = ("verify", "-p", site.keys.public, app.manifest)
    assert ", expires " not in manifest_tool(*verify).expect(CLEAN).out
    site.release(app, "--expires", "90d")
    assert f", expires {headers_of(app.manifest)['expires']}, " in manifest_tool(*verify).expect(CLEAN).out
    sign(site.keys, expire(app.manifest))
    assert_refused(manifest_tool(*verify), COULD_NOT_JUDGE, app.manifest, "expired at 2020-01-02T00:00:00Z")
    site.release(app, epoch=YEAR_2096)
    refused = manifest_tool(*verify).expect(COULD_NOT_JUDGE)
    assert refused.stdout == b"" and "clock" in refused.err


@needs_root
def test_an_expired_manifest_is_said_everywhere(site: Site, app: Tree) -> None:
    """It never stops the checking. Without state `--check` cannot tell whether it was in force before."""
    expire(app.manifest)
    sign(site.keys, app.manifest)
    shown, asked_for_json = site.check(), site.check("--json")
    assert "EXPIRED" in shown.out + shown.err and shown.code in (CLEAN, COULD_NOT_JUDGE), str(shown)
    tree = validate(asked_for_json.json(), shown.code)["trees"][0]
    assert tree["manifest"]["expired"] if tree["manifest"] else tree["problems"], str(asked_for_json)
    with Daemon(site) as daemon:
        daemon.wait_listening().wait_for_metrics(
            lambda page: page.value("driftd_manifest_problem", tree="app", reason="expired") == 1,
            "that it is expired is a problem",
        )


@needs_root
def test_one_bad_tree_does_not_hide_the_others_drift(site: Site, app: Tree) -> None:
    bad = site.tree("bad")
    small_application(bad.root)
    (app.root / "settings.py").write_text("DEBUG = True\n")
    found = check(site)
    assert found.document["verdict"] == "drift"
    assert {tree["name"]: tree["verdict"] for tree in found.document["trees"]} == {"app": "drift", "bad": "unknown"}


@needs_root
def test_a_bad_tree_beside_a_clean_one_is_not_clean(site: Site, app: Tree) -> None:
    small_application(site.tree("bad").root)
    found = check(site)
    assert found.document["verdict"] == "unknown"
    site.check("--tree", "app").expect(CLEAN)


@needs_root
def test_a_missing_root_is_unknown(site: Site, app: Tree) -> None:
    """It could be a mount that did not come up: nothing is known of what should be there."""
    shutil.rmtree(app.root)
    assert_refused(site.check(), COULD_NOT_JUDGE, app.root, "No such file")
    assert_unknown(site.check("--json"), "app")


@needs_root
def test_a_file_as_root_is_unknown(site: Site, app: Tree) -> None:
    shutil.rmtree(app.root)
    app.root.write_text("a file\n")
    assert_refused(site.check(), COULD_NOT_JUDGE, app.root)
    assert_unknown(site.check("--json"), "app")


# ---- a trust directory that must not be believed


TRUST = (
    ("the directory is world-writable", lambda directory, key: directory.chmod(0o777), True),
    ("the directory is group-writable", lambda directory, key: directory.chmod(0o775), True),
    ("the directory is another user's", lambda directory, key: os.chown(directory, 65534, 0), True),
    ("a key is world-writable", lambda directory, key: key.chmod(0o666), False),
    ("a key is another user's", lambda directory, key: os.chown(key, 65534, 0), False),
    ("a key is a link", lambda directory, key: (key.rename(directory / "x"), key.symlink_to("x")), False),
    ("a key is rubbish", lambda directory, key: key.write_text("no key\n"), False),
    ("a further key is rubbish", lambda directory, key: (directory / "more.pub").write_text("no key\n"), False),
)


@needs_root
@pytest.mark.parametrize(("spoil", "names_directory"), [case[1:] for case in TRUST], ids=[case[0] for case in TRUST])
def test_an_unsafe_trust_directory_is_no_trust_at_all(
    site: Site, app: Tree, spoil: Callable[[Path, Path], object], names_directory: bool
) -> None:
    spoil(site.trust_directory, site.trust_directory / site.keys.public.name)
    where = f"{site.trust_directory}{'' if names_directory else '/'}"
    assert_refused(site.check(), COULD_NOT_JUDGE, where)
    document = validate(site.check("--json").json(), COULD_NOT_JUDGE)
    assert document["verdict"] == "unknown"


# ---- configuration


GOOD_TREE = "trees: [{name: app, root: /srv/app, manifest: /srv/app.manifest}]\n"

# The position is that of the offending key or value: line and column, both counted from 1.
CONFIGURATIONS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "unknown key": (GOOD_TREE + "wach: auto\n", "2:1", ("wach", "watch")),
    "unknown key of a tree": (
        textwrap.dedent(
            """\
            trees:
              - name: app
                root: /srv/app
                manifest: /srv/app.manifest
                quick_scann: 5m
            """
        ),
        "5:5",
        ("quick_scann", "quick_scan"),
    ),
    "unknown key of a section": (GOOD_TREE + "limits: {thread: 2}\n", "2:10", ("thread", "threads")),
    "duplicate key": (GOOD_TREE + "watch: auto\nwatch: polling\n", "3:1", ("watch",)),
    "duplicate tree": (
        textwrap.dedent(
            """\
            trees:
              - {name: app, root: /srv/a, manifest: /srv/a.manifest}
              - {name: app, root: /srv/b, manifest: /srv/b.manifest}
            """
        ),
        "3:",
        ("app",),
    ),
    "an alias": ("trees: [&a {name: app, root: /srv/app, manifest: /m}, *a]\n", "1:", ()),
    "a text for a list": ("trees: app\n", "1:8", ("trees", "list")),
    "a list for a word": (GOOD_TREE + "watch: [auto]\n", "2:8", ()),
    "a word for a number": (GOOD_TREE + "limits: {threads: many}\n", "2:19", ("number",)),
    "a negative number": (GOOD_TREE + "limits: {threads: -1}\n", "2:19", ("number",)),
    "a mode that is none": (GOOD_TREE + "watch: evnts\n", "2:8", ("events",)),
    "a bad duration": (
        "trees: [{name: app, root: /srv/app, manifest: /m, quick_scan: soon}]\n",
        "1:63",
        (),
    ),
    "a bad address": (GOOD_TREE + "web: {listen: ['localhost:0x80']}\n", "2:16", ()),
    "a bad name": ("trees: [{name: 'a/b', root: /srv/app, manifest: /m}]\n", "1:16", ()),
    "a relative root": ("trees: [{name: app, root: srv/app, manifest: /m}]\n", "1:27", ("absolute",)),
    "no root": ("trees: [{name: app, manifest: /m}]\n", "1:", ("root",)),
    "no trees": ("trees: []\n", "", ("tree",)),
    "nothing at all": ("", "", ("tree",)),
    "not YAML": ("trees: [}\n", "1:", ()),
    "two documents": (GOOD_TREE + "---\n" + GOOD_TREE, "", ()),
}

# No wrong usage of the command line, but an answer that could not be given.
BAD_CONFIGURATION = COULD_NOT_JUDGE

USERS: dict[str, Callable[[Path], Result]] = {
    "config check": lambda config: driftd("config", "check", "--config", config),
    "--check": lambda config: driftd("--check", "--config", config),
    "run": lambda config: driftd("run", "--config", config, timeout=20),
}


@pytest.mark.parametrize("use", USERS)
@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_a_bad_configuration_is_refused(workdir: Path, case: str, use: str) -> None:
    yaml, position, words = CONFIGURATIONS[case]
    config = workdir / "driftd.yaml"
    config.write_text(yaml)
    assert_refused(USERS[use](config), BAD_CONFIGURATION, f"{config}:{position}" if position else config, *words)


@pytest.mark.parametrize("use", USERS)
def test_a_missing_configuration_is_refused(workdir: Path, use: str) -> None:
    config = workdir / "driftd.yaml"
    ways_on = ("--config (default /etc/driftd/driftd.yaml)", "--root DIR --manifest FILE --trust KEY.pub")
    assert_refused(USERS[use](config), BAD_CONFIGURATION, config, "No such file", *ways_on)


@needs_root
def test_who_may_not_read_the_configuration_is_told_who_may(unprivileged: "Unprivileged") -> None:
    config = unprivileged.site.write_config()
    config.chmod(0o600)
    refused = as_nobody(unprivileged.program, "check", "--config", config)
    assert_refused(refused, BAD_CONFIGURATION, config, "Permission denied; run this as root")


FIRST_STEPS = (["check"], ["--check"], ["explain", "/"], ["run"], ["config", "check"])


@pytest.mark.skipif(Path("/etc/driftd/driftd.yaml").exists(), reason="this host has a configuration")
@pytest.mark.parametrize("command", [*FIRST_STEPS, ["trust", "reset", "--tree", "a", "--reason", "b"]], ids=" ".join)
def test_whoever_has_no_configuration_yet_is_told_how_to_go_on(command: list[str]) -> None:
    assert_refused(driftd(*command, timeout=20), BAD_CONFIGURATION, "/etc/driftd/driftd.yaml", "--config", "--root DIR")


def test_a_good_configuration_passes(site: Site, app: Tree) -> None:
    driftd("config", "check", "--config", site.write_config()).expect(CLEAN)


def test_every_key_of_this_version_is_known(workdir: Path) -> None:
    config = workdir / "driftd.yaml"
    config.write_text(
        textwrap.dedent(
            f"""\
            trees:
              - name: app
                root: /srv/app
                manifest: /srv/app.manifest
                manifest_name: product
                require: {{env: production, host: "%H"}}
                keys: [ci]
                additions: report
                quick_scan: 30m
                full_scan: 24h
                labels: {{team: web}}
            trust: {{directories: [/usr/lib/driftd/trust.d, /etc/driftd/trust.d], threshold: 1}}
            watch: auto
            limits: {{threads: 2, read_rate: 32MiB/s, manifest_size: 1GiB}}
            web: {{listen: ["0.0.0.0:9747", "[::1]:9747"]}}
            log: {{level: info}}
            """
        )
    )
    driftd("config", "check", "--config", config).expect(CLEAN)


# ---- the command line


USAGE_ERRORS: dict[str, tuple[list[str], str]] = {
    "unknown flag": (["--check", "--frobnicate"], "--frobnicate"),
    "unknown command": (["chekc"], "chekc"),
    "unknown command of config": (["config", "shred"], "shred"),
    "a misspelled option that is required": (["trust", "reset", "--tree", "x", "--raeson", "y"], "--raeson"),
    "nothing": ([], ""),
    "no value": (["--check", "--config"], "--config"),
    "--root alone": (["check", "--root", "/srv"], "--manifest"),
    "--manifest alone": (["check", "--manifest", "/m"], "--root"),
    "--trust alone": (["check", "--trust", "/k"], "--root"),
    "--root with --tree": (["check", "--root", "/", "--manifest", "/m", "--trust", "/k", "--tree", "x"], "--tree"),
    "threads that are no number": (["--check", "--threads", "many"], "--threads"),
    "no threads": (["--check", "--threads", "0"], "--threads"),
}


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_wrong_usage_is_64(case: str) -> None:
    arguments, word = USAGE_ERRORS[case]
    assert_refused(driftd(*arguments), USAGE, word)


@needs_root
def test_an_unknown_tree_is_wrong_usage(site: Site, app: Tree) -> None:
    assert_refused(site.check("--tree", "appp"), USAGE, "appp", "app")


@needs_root
def test_a_path_outside_every_tree_is_wrong_usage(site: Site, app: Tree) -> None:
    assert_refused(site.check("/etc/passwd"), USAGE, "/etc/passwd")


TOOL_USAGE = {
    "unknown command": (["frobnicate"], "frobnicate"),
    "a misspelled option that is required": (["build", "--name", "a", "--realease", "v1", "/"], "--realease"),
    "no name": (["build", "--release", "v1", "--sequence", "1", "/"], "--name"),
    "a bad name": (["build", "--name", "a/b", "--release", "v1", "--sequence", "1", "/"], "a/b"),
    "a bad sequence": (["build", "--name", "a", "--release", "v1", "--sequence", "-1", "/"], "-1"),
    "a bad mode": (["build", "--name", "a", "--release", "v1", "--sequence", "1", "--mode", "xact", "/"], "xact"),
}


@pytest.mark.parametrize("case", TOOL_USAGE)
def test_wrong_usage_of_the_release_tool_is_64(case: str, workdir: Path) -> None:
    arguments, word = TOOL_USAGE[case]
    assert_refused(manifest_tool(*arguments, cwd=workdir), USAGE, word)


def test_version_and_help_are_no_errors() -> None:
    assert "driftd" in driftd("--version").expect(0).out
    for shown in (driftd("--help").expect(0), manifest_tool("--help").expect(0)):
        assert shown.stdout and not shown.stderr


BUILD_APP = ["build", "--name", "app", "--release", "v1", "--sequence", "1"]


@pytest.mark.parametrize("special", ["fifo", "socket"])
def test_what_no_manifest_can_hold_is_refused_at_build(workdir: Path, special: str) -> None:
    tree, manifest = small_application(workdir / "tree"), workdir / "app.manifest"
    if special == "fifo":
        os.mkfifo(tree / "lib" / "special")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tree / "lib" / "special"))
    assert_refused(manifest_tool(*BUILD_APP, tree, "-o", manifest), COULD_NOT_JUDGE, "lib/special")
    assert not manifest.exists(), "half a manifest is left"


@pytest.mark.parametrize("glob", ["**", "*", "**/*"])
def test_a_rule_that_leaves_nothing_checked_is_refused_at_build(workdir: Path, glob: str) -> None:
    tree, manifest = small_application(workdir / "tree"), workdir / "app.manifest"
    refused = manifest_tool(*BUILD_APP, "--mutable", glob, tree, "-o", manifest)
    assert refused.code in (COULD_NOT_JUDGE, USAGE), str(refused)
    assert_refused(refused, refused.code, glob)
    assert not manifest.exists()


# ---- what cannot be read is unverified


def as_nobody(*command: str | Path) -> Result:
    return run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", *command])


@dataclass(frozen=True)
class Unprivileged:
    """A clean tree that all may read, and a copy of the program that all may run."""

    site: Site
    app: Tree
    program: Path

    def check(self, *arguments: str) -> Result:
        where = ("--root", self.app.root, "--manifest", self.app.manifest, "--trust", self.site.keys.public)
        return as_nobody(self.program, "check", *where, *arguments)


@pytest.fixture
def unprivileged(site: Site, app: Tree) -> Unprivileged:
    program = Path(shutil.copy(DRIFTD, site.directory / "driftd"))
    program.chmod(0o755)
    host = Unprivileged(site, app, program)
    host.check().expect(CLEAN)
    return host


@needs_root
@pytest.mark.parametrize("hidden", ["settings.py", "lib"])
def test_what_cannot_be_read_is_unverified(unprivileged: Unprivileged, hidden: str) -> None:
    (unprivileged.app.root / hidden).chmod(0)
    found = parse(unprivileged.check("--json"))
    assert found.document["verdict"] == "unknown" and found.drift == []
    assert [(item["path"], item["reason"]) for item in found.unverified] == [(hidden, "permission")]
    shown = unprivileged.check().expect(COULD_NOT_JUDGE)
    assert hidden in shown.out and "CLEAN" not in shown.out and "UNKNOWN" in shown.out, str(shown)


@needs_root
def test_drift_beats_unverified(unprivileged: Unprivileged) -> None:
    (unprivileged.app.root / "settings.py").chmod(0)
    write_files(unprivileged.app.root, {"app.py": "changed\n"})
    found = parse(unprivileged.check("--json"))
    assert found.kinds == {"app.py": "modified"} and len(found.unverified) == 1
    shown = unprivileged.check().expect(DRIFT)
    assert "app.py" in shown.out and "settings.py" in shown.out, str(shown)


# ---- the daemon lives with it


@needs_root
@pytest.mark.parametrize("reason", ["signature", "unreadable"])
def test_the_daemon_runs_with_a_bad_manifest_and_recovers(site: Site, app: Tree, reason: str) -> None:
    spoilt, original = app.manifest, app.manifest.read_bytes()
    if reason == "signature":
        flip_a_bit(spoilt, 20)
    else:
        spoilt.unlink()
    with Daemon(site) as daemon:
        page = daemon.wait_listening().wait_for_metrics(
            lambda page: page.value("driftd_manifest_problem", tree="app", reason=reason) == 1,
            f"the manifest's problem is {reason}",
            seconds=10,
        )
        assert page.verdict("app") == "unknown"
        assert page.value("driftd_tree_unknown", tree="app", reason="manifest") == 1
        assert page.value("driftd_manifest_valid", tree="app") == 0
        assert page.drifted("app") == {}
        assert daemon.get("/-/healthy").status == 200
        repaired = spoilt.with_name("repaired")
        repaired.write_bytes(original)
        repaired.rename(app.manifest)
        page = daemon.wait_for_metrics(lambda page: page.verdict("app") == "clean", "clean again", seconds=10)
        assert page.value("driftd_manifest_problem", tree="app", reason=reason) in (None, 0)
        assert page.value("driftd_manifest_valid", tree="app") == 1
        daemon.wait_ready(seconds=5)


@needs_root
def test_a_bad_manifest_while_running_leaves_the_good_one_in_force(site: Site, app: Tree) -> None:
    """The new one is refused and shows; the tree is still checked, and its drift found."""
    with Daemon(site) as daemon:
        daemon.wait_ready().wait_for_drift("app", {})
        staged = site.directory / "staging" / "app.manifest"
        build(app.root, staged, release="v2", sequence=2)
        sign(site.foreign_key("stranger"), staged)
        publish(staged, app.manifest)
        page = daemon.wait_for_metrics(
            lambda page: page.value("driftd_manifest_problem", tree="app", reason="signature") == 1,
            "the new manifest is refused",
            seconds=10,
        )
        assert page.number("driftd_manifest_rejections_total", tree="app") >= 1
        assert page.series("driftd_manifest_info", tree="app")[0]["release"] == "v1"
        write_files(app.root, {"app.py": "edited\n"})
        daemon.wait_for_metrics(lambda page: page.drifted("app") == {"modified": 1}, "the drift is found", seconds=5)


@needs_root
def test_a_key_that_is_not_there_is_told_with_its_option(site: Site, app: Tree) -> None:
    where = ("--root", app.root, "--manifest", app.manifest)
    missing = driftd("check", *where, "--trust", site.directory / "gone.pub")
    assert_refused(missing, COULD_NOT_JUDGE, "--trust", "gone.pub: No such file")
    no_key = driftd("check", *where, "--trust", app.manifest)
    assert_refused(no_key, COULD_NOT_JUDGE, "--trust", app.manifest)
