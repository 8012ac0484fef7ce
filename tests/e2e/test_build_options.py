"""What the options of `driftd-manifest build` record, leave unchecked, and refuse; and what a host makes of it."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from support import archives
from support.checks import check
from support.programs import CLEAN, COULD_NOT_JUDGE, MANIFEST_TOOL, USAGE, Result, environment, manifest_tool, run, succeed
from support.release import build, headers_of
from support.site import Site, Tree, small_application, write_files
from support.stock import mtree
from support.terminal import shown_on_terminal

IDENTITY = ["build", "--name", "app", "--release", "v1", "--sequence", "1"]


def refused(result: Result, code: int, *words: str) -> None:
    result.expect(code)
    assert result.stdout == b"" and len(result.stderr.splitlines()) == 1, str(result)
    for word in words:
        assert word in result.err, f"the message does not say {word}\n{result}"


@pytest.fixture
def deployed(site: Site) -> Tree:
    """A release whose deploy makes a link and a file of its own, in force and unpacked."""
    tree = site.tree("app")
    small_application(tree.root)
    site.release(
        tree,
        *("--link", "releases/current=../lib", "--generated", "etc/env", "--optional", "etc/local.conf"),
        *("--mutable", "var/**", "--mutable", "**/__pycache__/**"),
    )
    write_files(tree.root, {"etc/env": "SECRET=1\n", "var/log/today": "x\n", "lib/__pycache__/a.pyc": "x"})
    (tree.root / "releases").mkdir()
    (tree.root / "releases" / "current").symlink_to("../lib")
    return tree


def test_what_the_deploy_makes_is_part_of_the_release(site: Site, deployed: Tree) -> None:
    assert check(site).document["verdict"] == "clean"
    (deployed.root / "etc" / "env").write_text("SECRET=2\n")
    (deployed.root / "etc" / "env").chmod(0o755)
    write_files(deployed.root, {"etc/local.conf": "anything\n"})
    assert check(site).document["verdict"] == "clean"


def test_what_the_deploy_did_not_make_is_missing(site: Site, deployed: Tree) -> None:
    (deployed.root / "etc" / "env").unlink()
    (deployed.root / "releases" / "current").unlink()
    assert check(site).kinds == {"etc/env": "missing", "releases/current": "missing"}


def test_what_the_deploy_made_wrong_is_drift(site: Site, deployed: Tree) -> None:
    current = deployed.root / "releases" / "current"
    current.unlink()
    current.symlink_to("../bin")
    (deployed.root / "etc" / "env").chmod(0o666)
    assert check(site).kinds == {"releases/current": "target", "etc/env": "metadata"}


def test_mtree_agrees_on_what_the_deploy_makes(deployed: Tree) -> None:
    said = mtree(deployed.manifest, deployed.root)
    assert said.out.split() == ["extra:", "lib/__pycache__"], str(said)


def test_a_mutable_file_may_become_executable(site: Site) -> None:
    tree = site.tree("app")
    small_application(tree.root)
    write_files(tree.root, {"state/a.json": "{}"})
    site.release(tree, "--mutable", "state/*.json")
    (tree.root / "state" / "a.json").chmod(0o755)
    (tree.root / "state" / "b.json").mkdir()
    assert check(site).document["verdict"] == "clean"


def test_a_mutable_directory_of_the_source_may_vanish(site: Site) -> None:
    """For stock mtree as well as for us."""
    tree = site.tree("app")
    small_application(tree.root)
    write_files(tree.root, {"var/cache/x": "", "var/keep": ""})
    site.release(tree, "--mutable", "var/cache/**")
    assert "./var/cache type=dir optional ignore" in tree.manifest.read_text().splitlines()
    for change in (lambda: (tree.root / "var/cache/y").mkdir(), lambda: shutil.rmtree(tree.root / "var/cache")):
        change()
        assert check(site).document["verdict"] == "clean"
        assert mtree(tree.manifest, tree.root).expect(0).stdout == b""


def test_mode_none_leaves_the_execute_bit_to_the_deploy(site: Site) -> None:
    tree = site.tree("app")
    small_application(tree.root)
    built = manifest_tool(*IDENTITY, "--mode", "none", tree.root).expect(CLEAN)
    assert "files that may be executable or not: 6\n" in built.err
    site.release(tree, "--mode", "none")
    (tree.root / "bin" / "run").chmod(0o644)
    (tree.root / "app.py").chmod(0o755)
    assert check(site).document["verdict"] == "clean"
    assert mtree(tree.manifest, tree.root).stdout == b""
    (tree.root / "app.py").chmod(0o777)
    found = check(site)
    assert found.kinds == {"app.py": "metadata"} and "executable" not in found.result.out


def test_owners_by_name_and_by_number(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    for owner, recorded in (("root:www-data", " uname=root gname=www-data "), ("0:33", " uid=0 gid=33 ")):
        lines = build(tree, workdir / "app.manifest", "--owner", owner).read_text().splitlines()
        entries = [line + " " for line in lines if not line.startswith("#")]
        assert all(recorded in line for line in entries), entries


def test_the_artifact_is_recorded_by_name_and_digest(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    archive = archives.tar(tree, workdir / "app-1.tar")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    manifest = build(archive, workdir / "app.manifest", "--artifact", str(archive))
    assert headers_of(manifest)["artifact"] == f"app-1.tar sha256:{digest}"
    assert "artifact" not in headers_of(build(archive, workdir / "app.manifest"))
    refused(manifest_tool(*IDENTITY, "--artifact", workdir / "none", tree), COULD_NOT_JUDGE, "--artifact", "none")


def test_the_source_is_the_working_directory_by_default(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    env = environment(SOURCE_DATE_EPOCH="1")
    built = manifest_tool(*IDENTITY, cwd=tree, env=env).expect(0)
    assert built.stdout == manifest_tool(*IDENTITY, tree, env=env).expect(0).stdout
    assert "app v1 from .: " in built.err


def test_parts_of_a_directory(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    part = headers_of(build(tree / "lib", workdir / "part.manifest"))["content"]
    assert headers_of(build(tree, workdir / "sub.manifest", "--subdir", "./lib/"))["content"] == part
    other = workdir / "other"
    other.mkdir()
    os.rename(tree / "lib", other / "lib")
    stripped = build(other, workdir / "strip.manifest", "--strip-components", "1")
    assert headers_of(stripped)["content"] == part


def test_what_the_rules_leave_unchecked_is_said(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    write_files(tree, {"var/x": "", "lib/__pycache__/a.pyc": "", "lib/__pycache__/b.pyc": ""})
    (tree / "app.py").chmod(0o666)
    (workdir / "rules").write_text("# caches\n**/__pycache__/**\n\nvar/**\n")
    built = manifest_tool(
        *(*IDENTITY, tree, "--mutable-from", workdir / "rules"),
        *("--generated", "env", "--optional", "local", "-o", workdir / "app.manifest"),
    ).expect(0)
    for said in (
        "mutable rules: 2",
        "directories below which nothing is checked: 1",
        "paths of the source that mutable rules leave out: 3",
        "listed files whose content is not checked: 2",
        "files that may be executable or not: 1",
        "listed paths that may be absent: 2",
        "or have an ACL in the source, which is drift on a host unless --mode exact records it: 1 (app.py)\n",
        f"Next: driftd-manifest sign -s release.key {workdir}/app.manifest",
    ):
        assert said in built.err, str(built)


def test_what_is_drift_at_once_on_a_host_is_named(site: Site) -> None:
    tree = site.tree("app")
    small_application(tree.root)
    succeed(["setfacl", "-m", "u:65534:r", tree.root / "app.py", tree.root / "lib" / "util.py"])
    warned = "or have an ACL in the source, which is drift on a host unless --mode exact records it"
    built = manifest_tool(*IDENTITY, tree.root).expect(CLEAN)
    assert f"{warned}: 2 (app.py, lib/util.py)\n" in built.err
    for name in ("settings.py", "current/deep/er/module.py"):
        (tree.root / name).chmod(0o666)
    assert ": 4 (app.py, lib/deep/er/module.py, lib/util.py, ...)\n" in manifest_tool(*IDENTITY, tree.root).err
    assert warned not in manifest_tool(*IDENTITY, "--mode", "exact", tree.root).expect(CLEAN).err
    site.release(tree)
    assert set(check(site).kinds) == {"app.py", "settings.py", "lib/util.py", "lib/deep/er/module.py"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not read everything")
def test_a_directory_that_cannot_be_read_and_need_not_be(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    write_files(tree, {"var/cache/x": "", "var/x": ""})
    (tree / "var" / "cache").chmod(0o700)
    workdir.chmod(0o755)
    somebody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", MANIFEST_TOOL, *IDENTITY, tree)
    built = run([*somebody, "--mutable", "var/cache/**"]).expect(CLEAN)
    assert "./var/cache type=dir optional ignore\n" in built.out
    refused(run([*somebody]), COULD_NOT_JUDGE, "var/cache: Permission denied")
    refused(run([*somebody, "--mutable", "var/cache/**", "--mode", "exact"]), COULD_NOT_JUDGE, "var/cache")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--link", "app.py=x"], USAGE, ["--link 'app.py'", "something stands there already"]),
        (["--link", "x"], USAGE, ["--link 'x'", "PATH=TARGET"]),
        (["--link", "=x"], USAGE, ["PATH=TARGET"]),
        (["--link", "../x=y"], USAGE, ["--link '../x'", "not a path below"]),
        (["--link", "app.py/x=y"], COULD_NOT_JUDGE, ["app.py/x", "no directory"]),
        (["--generated", "lib"], USAGE, ["--generated 'lib'", "no file"]),
        (["--generated", "/etc/x"], USAGE, ["--generated '/etc/x'"]),
        (["--optional", "var/x", "--mutable", "var/**"], USAGE, ["--optional 'var/x'", "--mutable"]),
        (["--mutable", "app.py/**"], COULD_NOT_JUDGE, ["app.py", "no directory in the source"]),
        (["--subdir", "nowhere"], USAGE, ["--subdir 'nowhere'", "no such directory"]),
        (["--subdir", "../x"], USAGE, ["--subdir '../x'"]),
        (["--subdir", "current"], COULD_NOT_JUDGE, ["current", "no directory"]),
        (["--strip-components", "9"], USAGE, ["--strip-components '9'", "nothing of the source is left"]),
        (["--strip-components", "-1"], USAGE, ["strip-components"]),
        (["--strip-components", "1"], COULD_NOT_JUDGE, ["another path of the source becomes 'run'"]),
        (["--owner", "root"], USAGE, ["--owner 'root'", "USER:GROUP"]),
        (["--owner", "ro ot:x"], USAGE, ["--owner"]),
        (["--mode", "some"], USAGE, ["--mode"]),
        (["--digest", "md5"], USAGE, ["--digest"]),
        (["--expires", "soon"], USAGE, ["--expires"]),
        (["--label", "x"], USAGE, ["--label"]),
        (["--label", "a=1", "--label", "a=2"], USAGE, ["--label 'a=2'", "twice"]),
        (["--label", "ü=1"], USAGE, ["--label", "printable ASCII"]),
        (["--release", "ü"], USAGE, ["--release", "printable ASCII"]),
        (["--override", "a\nb"], USAGE, ["--override", "printable ASCII"]),
        (["--source", "ü"], USAGE, ["--source", "printable ASCII"]),
        (["--pipeline", "ü"], USAGE, ["--pipeline", "printable ASCII"]),
        (["--artifact", "/nowhere/ü.tar"], USAGE, ["--artifact", "printable ASCII"]),
        (["--sequence", "007"], USAGE, ["--sequence '007'", "leading zeros"]),
        (["--sequence", "+7"], USAGE, ["--sequence '+7'"]),
        (["--mutable", "var/"], USAGE, ["--mutable", "no final slash", "var/cache/**"]),
        (["--mutable-from", "/nowhere"], COULD_NOT_JUDGE, ["/nowhere"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_wrong_options_are_refused(options: list[str], code: int, words: list[str], workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    write_files(tree, {"sbin/run": "x"})
    identity = [word for word in zip(IDENTITY[1::2], IDENTITY[2::2]) if word[0] not in options]
    refused(manifest_tool("build", *(part for word in identity for part in word), *options, tree), code, *words)


@pytest.mark.parametrize("option", ["--release", "--source", "--override", "--label", "--sequence", "--artifact"])
def test_a_header_is_looked_at_before_anything_is_read(option: str, workdir: Path) -> None:
    """Neither the source nor the artifact is there: what is wrong with the option is said nevertheless."""
    identity = {"--release": "v1", "--sequence": "1"} | {option: "/nowhere/ü=1"}
    words = [word for pair in identity.items() for word in pair]
    for artifact in ([], ["--artifact", workdir / "none"]) if option != "--artifact" else ([],):
        refused(manifest_tool("build", "--name", "app", *words, *artifact, workdir / "no-source"), USAGE, option)


EMPTY = [
    *("--name", "--release", "--sequence", "--expires", "--label", "--override", "--artifact", "--source", "--pipeline"),
    *("--owner", "--subdir", "--mutable", "--mutable-from", "--optional", "--generated", "--link", "--mode", "--digest"),
    *("--threads", "--strip-components", "--output"),
]


@pytest.mark.parametrize("option", EMPTY)
def test_an_empty_value_is_no_value(option: str, workdir: Path) -> None:
    """A pipeline's variable that is not set must not switch off what its option is for."""
    tree = small_application(workdir / "tree")
    for form in ([option, ""], [option + "="]):
        refused(manifest_tool("build", *form, *[word for word in IDENTITY[1:] if word != option], tree), USAGE, option)


def test_an_empty_source_is_not_the_working_directory(workdir: Path) -> None:
    refused(manifest_tool(*IDENTITY, "", cwd=workdir), USAGE, "SOURCE")
    refused(manifest_tool(*IDENTITY, "-o", "", workdir), USAGE, "--output")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["keygen", "--no-password", "-s", "", "-p", "x"], "--secret-key"),
        (["keygen", "--password-env", "", "-s", "x", "-p", "y"], "--password-env"),
        (["sign", "--key-env", "", "x"], "--key-env"),
        (["sign", "-s", "x", ""], "FILE"),
        (["verify", "-p", "", "x"], "--public-key"),
        (["import", "--format", "mtree", *IDENTITY[1:], ""], "FILE"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_an_empty_value_is_no_value_elsewhere_either(words: list[str], named: str, workdir: Path) -> None:
    refused(manifest_tool(*words, cwd=workdir), USAGE, named, "the value is empty")
    assert not list(workdir.iterdir())


def test_a_bad_rule_is_found_in_its_file(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    rules = workdir / "rules"
    rules.write_bytes(b"# caches\r\nvar/**\r\n\r\nlib/[a]\r\n")
    refused(manifest_tool(*IDENTITY, "--mutable-from", rules, tree), USAGE, f"{rules}:4: glob 'lib/[a]': only * and **")
    rules.write_bytes(b"# caches\r\nvar/**\r\n\r\n")
    assert "#mutable: var/**\n" in manifest_tool(*IDENTITY, "--mutable-from", rules, tree).expect(CLEAN).out


def test_a_lifetime_that_is_over_already_is_refused(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    env = environment(SOURCE_DATE_EPOCH="1700000000")
    refused(manifest_tool(*IDENTITY, "--expires", "90d", tree, env=env), USAGE, "--expires '90d'", "SOURCE_DATE_EPOCH")
    manifest_tool(*IDENTITY, tree, env=env).expect(CLEAN)


# ---- progress


@pytest.mark.parametrize(
    ("term", "options", "drawn"),
    [("xterm", [], True), ("dumb", [], False), ("xterm", ["--no-progress"], False)],
)
def test_progress_shows_on_a_terminal_alone(term: str, options: list[str], drawn: bool, workdir: Path) -> None:
    tree = workdir / "tree"
    tree.mkdir()
    with (tree / "large").open("wb") as file:
        file.truncate(500_000_000)
    write_files(tree, {f"{number}": "x" for number in range(50)})
    archive = archives.tar(tree, workdir / "app.tar.gz", "--gzip")
    code, shown = shown_on_terminal([MANIFEST_TOOL, *IDENTITY, *options, archive, "-o", workdir / "out"], term)
    assert code == CLEAN
    assert (b"\r\x1b[K" in shown) == drawn and (b" MiB/s" in shown) == drawn, shown
    # The line is taken back: what is left reads like what a file would hold.
    assert b"app v1 from " in shown.rsplit(b"\x1b[K", 1)[-1]


def test_no_progress_goes_into_a_file(workdir: Path) -> None:
    built = manifest_tool(*IDENTITY, small_application(workdir / "tree"), "-o", workdir / "out")
    assert b"\x1b" not in built.expect(CLEAN).stderr and b"\r" not in built.stderr
    assert built.stderr.count(b"\n") == 2
