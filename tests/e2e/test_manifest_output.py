"""What a manifest says, for other programs: `show --json`, `export`, `diff`."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from support import archives
from support.hostile_names import NAMES, directory_at, file_at, link_at, make_tree
from support.manifest_shape import DIFF_DOCUMENT, exact, validate_manifest
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFT, MANIFEST_TOOL, USAGE, environment, manifest_tool, run, succeed
from support.release import build
from support.safe_output import assert_safe
from support.site import small_application, write_files


@pytest.fixture
def tree(workdir: Path) -> Path:
    return small_application(workdir / "tree")


def test_a_manifest_as_json(tree: Path, workdir: Path) -> None:
    identity = ("--expires", "90d", "--label", "env=production", "--label", "host=a=b", "--override", "skip-tests")
    manifest = build(tree, workdir / "app.manifest", *identity, "--mutable", "var/**", "--source", "git+https://x")
    shown = manifest_tool("show", "--json", manifest).expect(CLEAN)
    document = shown.json()
    entries = validate_manifest(document)
    assert (document["name"], document["release"], document["sequence"]) == ("app", "v1", 1)
    assert document["labels"] == [{"key": "env", "value": "production"}, {"key": "host", "value": "a=b"}]
    assert (document["overrides"], document["mutable"]) == (["skip-tests"], ["var/**"])
    assert document["source"] == "git+https://x" and document["pipeline"] is None and document["expires"]
    run_entry = entries[b"bin/run"]
    assert run_entry["executable"] and run_entry["size"] == (tree / "bin/run").stat().st_size
    assert run_entry["sha256"] == hashlib.sha256((tree / "bin/run").read_bytes()).hexdigest()
    assert entries[b"current"] == {"path": "current", "type": "symlink", "target": "lib"}
    assert entries[b"var"] == {"path": "var", "type": "directory", "optional": True, "ignore": True}
    assert entries[b"."] == {"path": ".", "type": "directory"}
    assert manifest_tool("export", "--format", "json", manifest).expect(CLEAN).stdout == shown.stdout


def test_modes_and_owners_as_json(tree: Path, workdir: Path) -> None:
    os.chmod(tree / "app.py", 0o640)
    manifest = build(tree, workdir / "app.manifest", "--mode", "exact", "--owner", "app:web", "--digest", "blake3")
    entry = validate_manifest(manifest_tool("show", "--json", manifest).json())[b"app.py"]
    assert (entry["mode"], entry["owner"], entry["group"]) == ("0640", "app", "web")
    assert "executable" not in entry and "sha256" not in entry


def test_hostile_names_are_exact_in_json_and_nowhere_raw(workdir: Path) -> None:
    tree = workdir / "tree"
    make_tree(tree)
    manifest = build(tree, workdir / "app.manifest")
    shown = manifest_tool("show", "--json", manifest).expect(CLEAN)
    assert_safe(shown.stdout, "show --json")
    entries = validate_manifest(shown.json())
    top = os.fsencode(tree)
    for number, name in enumerate(NAMES):
        assert entries[os.path.relpath(file_at(top, number), top)]["type"] == "file"
        assert entries[os.path.relpath(directory_at(top, number), top)]["type"] == "directory"
        assert exact(entries[os.path.relpath(link_at(top, number), top)], "target") == name
    other = build(tree / "dirs", workdir / "other.manifest")
    for output in (manifest_tool("show", manifest), manifest_tool("diff", manifest, other)):
        assert_safe(output.stdout, output.command)
    compared = manifest_tool("diff", "--json", manifest, other)
    assert_safe(compared.stdout, compared.command)
    DIFF_DOCUMENT(compared.json(), "$")


def test_sha256sum_checks_the_exported_list(workdir: Path) -> None:
    """Hostile names too: a list lies beside the tree, so that it cannot name itself."""
    tree = workdir / "tree"
    make_tree(tree)
    manifest, sums = build(tree, workdir / "app.manifest"), workdir / "SHA256SUMS"
    exported = manifest_tool("export", "--format", "sha256sums", manifest).expect(CLEAN)
    sums.write_bytes(exported.stdout)
    assert f"{len(NAMES)} entries have no place" in exported.err, "links are left out, and that is said"
    checked = succeed(["sha256sum", "--strict", "--quiet", "-c", sums], cwd=tree)
    assert checked.stdout == checked.stderr == b""
    with open(file_at(os.fsencode(tree), 0), "ab") as file:
        file.write(b"edited")
    run(["sha256sum", "--quiet", "-c", sums], cwd=tree).expect(1)


def test_a_list_of_digests_is_never_silently_incomplete(tree: Path, workdir: Path) -> None:
    rules = ("--optional", "etc/local.conf", "--optional", "app.py")
    partly = build(tree, workdir / "partly.manifest", *rules)
    exported = manifest_tool("export", "--format", "sha256sums", partly).expect(CLEAN)
    for said in ("etc/local.conf (no content is recorded)", "app.py (may be absent)", "current (a link)"):
        assert f"left out: {said}\n" in exported.err
    without = build(tree, workdir / "without.manifest", "--digest", "blake3")
    refused = manifest_tool("export", "--format", "sha256sums", without).expect(COULD_NOT_JUDGE)
    assert refused.stdout == b"" and "has no SHA-256 digest" in refused.err


def test_a_rebuild_is_identical_whatever_its_identity(tree: Path, workdir: Path) -> None:
    one = build(tree, workdir / "one.manifest", release="v1", sequence=1)
    two = build(tree, workdir / "two.manifest", "--label", "a=b", release="v2", sequence=2)
    assert "same content" in manifest_tool("diff", one, two).expect(CLEAN).out
    document = manifest_tool("diff", "--json", one, two).expect(CLEAN).json()
    DIFF_DOCUMENT(document, "$")
    assert document["same"] and document["differences"] == []


def test_diff_lists_what_differs(tree: Path, workdir: Path) -> None:
    old = build(tree, workdir / "old.manifest", "--mutable", "var/**")
    write_files(tree, {"app.py": "changed\n", "new/file.py": "x\n", "settings.py": "DEBUG = True!\nSECRET = 'not here'\n"})
    (tree / "lib/util.py").unlink()
    (tree / "bin/run").chmod(0o644)
    (tree / "current").unlink()
    (tree / "current").symlink_to("bin")
    new = build(tree, workdir / "new.manifest", "--mutable", "log/**", release="v2", sequence=2)
    shown = manifest_tool("diff", old, new).expect(DRIFT).out
    assert "signatures not looked at" in shown
    for line in (
        "removed  #mutable: var/**",
        "added    #mutable: log/**",
        "removed  lib/util.py  file, size 26",
        "added    new  dir",
        "added    new/file.py  file, size 2",
        "changed  bin/run  executable yes -> no",
        "changed  current  target lib -> bin",
    ):
        assert f"{line}\n" in shown, shown
    assert "\nchanged  app.py  size 38 -> 8, content " in shown
    assert "\nchanged  settings.py  content " in shown
    document = manifest_tool("diff", "--json", old, new).expect(DRIFT).json()
    DIFF_DOCUMENT(document, "$")
    by_path = {(found["old"] or found["new"])["path"]: found for found in document["differences"]}
    assert by_path["bin/run"]["changes"] == ["executable"] and by_path["app.py"]["changes"] == ["size", "content"]
    assert by_path["lib/util.py"]["new"] is None and by_path["new/file.py"]["old"] is None
    assert document["mutable"] == {"added": ["log/**"], "removed": ["var/**"], "reordered": False}


def test_diff_of_what_is_no_manifest_is_an_error(tree: Path, workdir: Path) -> None:
    manifest = build(tree, workdir / "app.manifest")
    for pair in ((manifest, tree / "app.py"), (workdir / "absent", manifest)):
        refused = manifest_tool("diff", *pair).expect(COULD_NOT_JUDGE)
        assert refused.stdout == b"" and len(refused.err.splitlines()) == 1
    manifest_tool("diff", manifest).expect(USAGE)
    manifest_tool("export", "--format", "xml", manifest).expect(USAGE)


def test_output_that_is_lost_is_an_error(tree: Path, workdir: Path) -> None:
    manifest = build(tree, workdir / "app.manifest")
    for command in (["show"], ["show", "--json"], ["export", "--format", "sha256sums"]):
        words = ["sh", "-c", '"$@" >/dev/full', "sh", MANIFEST_TOOL, *command, manifest]
        assert "standard output" in run(words).expect(COULD_NOT_JUDGE).err
    for asked in (["--help"], ["--version"], ["build", "--help"]):
        words = ["sh", "-c", '"$@" >/dev/full', "sh", MANIFEST_TOOL, *asked]
        assert "standard output" in run(words).expect(COULD_NOT_JUDGE).err


IDENTITY = ("--name", "app", "--release", "v1", "--sequence", "1")


def test_the_output_is_not_an_input(tree: Path, workdir: Path) -> None:
    archive, rules = archives.tar(tree, workdir / "app.tar"), workdir / "rules"
    rules.write_text("var/**\n")
    (workdir / "link").symlink_to(archive)
    for output, options in (
        (archive, []),
        (workdir / "link", []),
        (rules, ["--mutable-from", rules]),
        (workdir / "link", ["--artifact", archive]),
    ):
        source = tree if options else archive
        before = output.read_bytes()
        refused = manifest_tool("build", *IDENTITY, *options, source, "-o", output).expect(USAGE)
        assert f"-o {output}: is what the manifest is made from" in refused.err
        assert output.read_bytes() == before
    with archive.open("rb") as stream:
        words = [MANIFEST_TOOL, "build", *IDENTITY, "-", "-o", archive]
        done = subprocess.run(words, stdin=stream, env=environment(), capture_output=True)
    assert done.returncode == USAGE and b"is what the manifest is made from" in done.stderr


def test_only_a_manifest_is_replaced(tree: Path, workdir: Path) -> None:
    other, list_of_digests = workdir / "release.key", workdir / "SHA256SUMS"
    other.write_text("precious\n")
    list_of_digests.write_text(f"{'0' * 64}  a\n")
    imported = ("import", "--format", "sha256sums", *IDENTITY, list_of_digests, "-o")
    for command in (("build", *IDENTITY, tree, "-o"), imported):
        refused = manifest_tool(*command, other).expect(COULD_NOT_JUDGE)
        assert f"{other}: exists and is no manifest: not replaced\n" in refused.err
        assert other.read_text() == "precious\n"
        for content in ("", "#mtree v2.0\nwhatever\n"):
            (workdir / "out").write_text(content)
            written = manifest_tool(*command, workdir / "out").expect(CLEAN)
            assert ("files that may be executable or not: 1\n" in written.err) == (command is imported)
    assert "is what the manifest is made from" in manifest_tool(*imported, list_of_digests).expect(USAGE).err


def test_a_manifest_does_not_list_itself_by_way_of_the_shell(tree: Path, workdir: Path) -> None:
    words = ["sh", "-c", '"$@" >lib/out', "sh", MANIFEST_TOOL, "build", *IDENTITY]
    refused = run([*words, tree], cwd=tree).expect(USAGE)
    assert "lib/out: standard output is a file inside the source: use -o\n" in refused.err
    # Where it is not listed it does no harm, and what is written by -o does not go there.
    run([*words, tree, "--mutable", "lib/**"], cwd=tree).expect(CLEAN)
    run([*words, tree, "-o", workdir / "app.manifest"], cwd=tree).expect(CLEAN)
    run([*words, tree / "bin"], cwd=tree).expect(CLEAN)


def test_help_says_what_an_option_takes() -> None:
    build_help, sign_help = (manifest_tool(command, "--help").expect(CLEAN).out for command in ("build", "sign"))
    assert "--digest sha256,blake3|sha256|blake3\n" in build_help
    for said in ("-s,--secret-key FILE", "--key-env VAR", "--password-env VAR"):
        assert said in sign_help, sign_help
    assert "TEXT" not in sign_help and "Option Group" not in sign_help
