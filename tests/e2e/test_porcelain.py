"""`driftd check --porcelain`: a record a path for scripts, and what cannot be called clean among them."""

import os
from pathlib import Path

import pytest

from support.checks import check
from support.hostile_names import make_tree
from support.json_shape import raw_path
from support.marks import needs_root
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFT, DRIFTD, USAGE, Result, driftd, run
from support.safe_output import assert_safe, escaped
from support.site import Site, Tree, small_application, write_files

pytestmark = needs_root


def records(result: Result) -> list[tuple[bytes, bytes, bytes]]:
    """Of either form: (kind, changes, path)."""
    end = b"\0" if b"\0" in result.stdout else b"\n"
    parts = result.stdout.split(end)
    assert parts.pop() == b"", "the last record has no end"
    fields = [tuple(part.split(b"\t", 2)) for part in parts]
    assert all(len(one) == 3 and all(one) for one in fields), str(result)
    return fields


def spoil(root: Path) -> None:
    (root / "settings.py").write_text("DEBUG = True\n")
    (root / "bin" / "run").chmod(0o777)
    (root / "lib" / "util.py").unlink()
    (root / "lib" / "__init__.py").unlink()
    os.mkfifo(root / "lib" / "__init__.py")
    (root / "current").unlink()
    (root / "current").symlink_to("bin")
    write_files(root, {"new/deep/file": "x\n"})


def test_nothing_is_clean(site: Site, app: Tree) -> None:
    shown = site.check("--porcelain").expect(CLEAN)
    assert shown.stdout == b"" and b"\x1b" not in shown.stderr


def test_each_kind_of_drift(site: Site, app: Tree) -> None:
    spoil(app.root)
    shown = site.check("--porcelain").expect(DRIFT)
    assert shown.out == "".join(
        f"{kind}\t{changes}\t{app.root}/{path}\n"
        for kind, changes, path in [
            ("metadata", "mode", "bin/run"),
            ("target", "target", "current"),
            ("type", "type", "lib/__init__.py"),
            ("missing", "-", "lib/util.py"),
            ("added", "-", "new"),
            ("modified", "content,size", "settings.py"),
        ]
    )
    assert site.check("--porcelain", env={"TERM": "xterm", "PATH": os.environ["PATH"]}).stdout == shown.stdout


def test_every_path_is_listed(site: Site, app: Tree) -> None:
    write_files(app.root, {f"lib/new{number:03}": "x\n" for number in range(300)})
    assert len(records(site.check("--porcelain").expect(DRIFT))) == 300


def test_paths_tell_the_tree(site: Site, app: Tree) -> None:
    """Each record stands alone: the same file of two trees cannot be taken for one."""
    other = site.tree("other")
    small_application(other.root)
    site.release(other)
    for tree in (app, other):
        write_files(tree.root, {"app.py": "edited\n"})
    paths = [path.decode() for _, _, path in records(site.check("--porcelain").expect(DRIFT))]
    assert paths == [f"{app.root}/app.py", f"{other.root}/app.py"]


def test_hostile_names(site: Site) -> None:
    tree = site.tree("app")
    site.release(tree)
    make_tree(tree.root)
    found = check(site)
    raw = sorted(os.fsencode(tree.root) + b"/" + raw_path(finding) for finding in found.drift)
    assert len(raw) > 100

    exact = site.check("--porcelain", "-z").expect(DRIFT)
    assert sorted(path for _, _, path in records(exact)) == raw
    assert all(os.path.lexists(path) for _, _, path in records(exact))

    lines = site.check("--porcelain").expect(DRIFT)
    assert_safe(lines.stdout.replace(b"\t", b" "), "--porcelain")
    assert sorted(path.decode() for _, _, path in records(lines)) == sorted(escaped(path) for path in raw)


def test_a_refused_manifest_is_a_record(site: Site, app: Tree) -> None:
    other = site.tree("other")
    small_application(other.root)
    site.release(other)
    app.signature.unlink()
    shown = site.check("--porcelain").expect(COULD_NOT_JUDGE)
    assert shown.out == f"problem\tmanifest:signature\t{app.root}\n"
    assert str(app.signature) in shown.err


def test_what_cannot_be_read_is_a_record(site: Site, app: Tree) -> None:
    program = site.directory / "driftd"
    program.write_bytes(DRIFTD.read_bytes())
    program.chmod(0o755)
    (app.root / "settings.py").chmod(0)
    where = ("--root", app.root, "--manifest", app.manifest, "--trust", site.keys.public)
    shown = run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "check", *where, "--porcelain"]
    ).expect(COULD_NOT_JUDGE)
    assert shown.out == f"unverified\tpermission\t{app.root}/settings.py\n"


def test_a_path_that_nobody_knows_is_a_record(site: Site, app: Tree) -> None:
    shown = site.check("--porcelain", app.root / "setings.py").expect(COULD_NOT_JUDGE)
    assert shown.out == f"problem\tpath:unknown\t{app.root}/setings.py\n"


def test_strict_problems_are_records(site: Site, app: Tree) -> None:
    shown = site.check("--porcelain", "--strict").expect(COULD_NOT_JUDGE)
    assert shown.out == f"problem\tstrict:replay\t{app.root}\n"


OUTPUTS = ("--json", "--porcelain", "--nagios", "--quiet")


@pytest.mark.parametrize("one", OUTPUTS)
@pytest.mark.parametrize("other", OUTPUTS)
def test_there_is_one_output(site: Site, app: Tree, one: str, other: str) -> None:
    if one == other:
        return
    refused = site.check(one, other)
    if "--nagios" in (one, other):
        assert refused.expect(3).out.startswith("DRIFTD UNKNOWN - ") and refused.stderr == b"", str(refused)
    else:
        assert refused.expect(USAGE).stdout == b"" and "excludes" in refused.err, str(refused)


@pytest.mark.parametrize("output", [[], ["--json"], ["--quiet"]])
def test_nul_ends_records_of_porcelain_alone(site: Site, app: Tree, output: list[str]) -> None:
    refused = site.check("-z", *output).expect(USAGE)
    assert "--porcelain" in refused.err and refused.stdout == b""


def test_without_a_configuration(site: Site, app: Tree) -> None:
    write_files(app.root, {"app.py": "edited\n"})
    assert site.check_free(app, "--porcelain").expect(DRIFT).out == f"modified\tcontent,size\t{app.root}/app.py\n"


def test_the_root_may_be_slash(site: Site) -> None:
    """A package's tree: everything else on the host is no business of it."""
    tree = site.tree("package", root=Path("/"), additions="ignore")
    staged = site.directory / "stage"
    write_files(staged, {"etc/driftd-no-such-file.conf": "x\n"})
    tree.root = staged
    site.release(tree)
    tree.root = Path("/")
    shown = site.check("--porcelain").expect(DRIFT)
    assert shown.out == "missing\t-\t/etc/driftd-no-such-file.conf\n"


@pytest.mark.parametrize("added", [0, 1000], ids=["short", "longer than any buffer"])
def test_nothing_listens(site: Site, app: Tree, added: int) -> None:
    """A verdict that nobody could read is no verdict."""
    write_files(app.root, {"app.py": "edited\n"} | {f"lib/{number}": "" for number in range(added)})
    config = site.write_config()
    for output in ("--porcelain", "--json", "--nagios"):
        lost = run(["sh", "-c", '"$@" > /dev/full', "sh", DRIFTD, "check", "--config", config, output])
        assert lost.code == (3 if output == "--nagios" else COULD_NOT_JUDGE), str(lost)
    assert driftd("check", "--config", config, "--porcelain").code == DRIFT
