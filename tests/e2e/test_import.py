"""Lists that others made become manifests: what mtree, bsdtar and sha256sum write, with hostile names too."""

import shutil
from pathlib import Path

import pytest

from support.hostile_names import NAMES, make_tree
from support.programs import CLEAN, COULD_NOT_JUDGE, DRIFT, USAGE, Result, driftd, manifest_tool, succeed
from support.release import build, keygen, sign
from support.site import small_application, write_files

IDENTITY = ("--name", "app", "--release", "v1", "--sequence", "1")
MTREE_KEYWORDS = "type,size,sha256,mode,uname,gname,link"
BSDTAR = ["bsdtar", "-cf", "-", "-C"]


def import_list(form: str, *words: str | Path, **how: bytes) -> Result:
    return manifest_tool("import", "--format", form, *IDENTITY, *words, **how)


def entries(manifest: Path) -> list[str]:
    return [line for line in manifest.read_text().splitlines() if not line.startswith("#")]


def built_exactly(tree: Path, workdir: Path) -> Path:
    options = ("--mode", "exact", "--owner", "source", "--digest", "sha256")
    return build(tree, workdir / "built.manifest", *options)


@pytest.fixture
def hostile(workdir: Path) -> Path:
    make_tree(workdir / "tree")
    return workdir / "tree"


LISTS = {
    "mtree -c": lambda tree: succeed(["mtree", "-c", "-k", MTREE_KEYWORDS, "-p", tree]).stdout,
    "bsdtar": lambda tree: succeed([*BSDTAR, tree, "--format=mtree", "--options=mtree:sha256", "."]).stdout,
    "bsdtar with /set": lambda tree: succeed(
        [*BSDTAR, tree, "--format=mtree", "--options=mtree:sha256,mtree:use-set,mtree:indent", "."]
    ).stdout,
}


# NetBSD's mtree cuts long targets, and writes a directory's name into a comment as it is: a line end there forges lines.
NAMES_FOR_MTREE = [name for name in NAMES if b"\n" not in name and len(name) < 200]


@pytest.mark.parametrize("made_by", LISTS)
def test_a_specification_in_the_wild_gives_what_build_gives(workdir: Path, made_by: str) -> None:
    tree = workdir / "tree"
    make_tree(tree, NAMES_FOR_MTREE if made_by == "mtree -c" else NAMES)
    (tree / "script").write_text("#!/bin/sh\n")
    (tree / "script").chmod(0o4755)
    specification = LISTS[made_by](tree)
    imported = workdir / "imported.manifest"
    import_list("mtree", "-", "-o", imported, stdin=specification).expect(CLEAN)
    assert entries(imported) == entries(built_exactly(tree, workdir))


def test_a_target_that_mtree_cut_in_the_middle_is_refused(workdir: Path) -> None:
    (workdir / "tree").mkdir()
    (workdir / "tree" / "link").symlink_to("\u2603" * 85)
    specification = succeed(["mtree", "-c", "-k", MTREE_KEYWORDS, "-p", workdir / "tree"]).stdout
    assert "no known escape" in import_list("mtree", stdin=specification).expect(COULD_NOT_JUDGE).err


def test_a_dumped_specification(workdir: Path) -> None:
    """`mtree -C` writes full paths; this version leaves the digests out, so that their content is not checked."""
    tree = small_application(workdir / "tree")
    specification = succeed(["mtree", "-c", "-k", "type,size,link", "-p", tree]).stdout
    dumped = succeed(["mtree", "-C"], stdin=specification).stdout
    outputs = [workdir / "dumped.manifest", workdir / "made.manifest"]
    for text, output in zip((dumped, specification), outputs):
        said = import_list("mtree", "-o", output, stdin=text).expect(CLEAN)
        assert "listed files whose content is not checked: 6" in said.err
    assert entries(outputs[0]) == entries(outputs[1])


def test_stock_mtree_agrees_with_what_was_imported(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    specification = succeed(["mtree", "-c", "-k", MTREE_KEYWORDS, "-p", tree]).stdout
    imported = workdir / "imported.manifest"
    import_list("mtree", "-o", imported, stdin=specification).expect(CLEAN)
    said = succeed(["mtree", "-f", imported, "-p", tree])
    assert said.stdout + said.stderr == b""


def test_a_host_checks_an_imported_list_of_digests(workdir: Path) -> None:
    """No sizes are known, so every byte that is there is hashed."""
    tree = workdir / "tree"
    write_files(tree, {"app.py": "1\n", "lib/a b.py": "2\n", "lib/back\\slash": "3\n", "lib/two\nlines": "4\n"})
    sums = succeed(["sh", "-c", "find . -type f -exec sha256sum {} +"], cwd=tree).stdout
    manifest, keys = workdir / "app.manifest", keygen(workdir)
    said = import_list("sha256sums", "-", "-o", manifest, "--mutable", "var/**", stdin=sums).expect(CLEAN)
    assert "knows no sizes" in said.err and "whatever matches var/**" in said.err
    sign(keys, manifest)
    check = ("check", "--root", tree, "--manifest", manifest, "--trust", keys.public)
    driftd(*check).expect(CLEAN)
    for edit in ("0\n", "longer than before\n", ""):
        (tree / "app.py").write_text(edit)
        assert "app.py" in driftd(*check).expect(DRIFT).out
    (tree / "app.py").write_text("1\n")
    (tree / "lib/two\nlines").unlink()
    driftd(*check).expect(DRIFT)


def test_sha256sum_export_and_import_are_inverse(hostile: Path, workdir: Path) -> None:
    shutil.rmtree(hostile / "links")
    built = build(hostile, workdir / "built.manifest", "--digest", "sha256", "--mode", "none")
    exported = manifest_tool("export", "--format", "sha256sums", built).expect(CLEAN).stdout
    by_sha256sum = succeed(["find", ".", "-type", "f", "-exec", "sha256sum", "{}", "+"], cwd=hostile).stdout
    by_tag = succeed(["find", ".", "-type", "f", "-exec", "sha256sum", "--tag", "{}", "+"], cwd=hostile).stdout
    wanted = [" ".join(word for word in line.split(" ") if not word.startswith("size=")) for line in entries(built)]
    for text in (exported, by_sha256sum, by_tag):
        output = workdir / "imported.manifest"
        import_list("sha256sums", "-o", output, stdin=text).expect(CLEAN)
        assert entries(output) == wanted
    assert len(wanted) > 3 * len(NAMES)


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "a way out": ("mtree", b". type=dir\n./../etc/passwd type=file size=1\n", "line 2"),
    "an absolute path": ("sha256sums", b"a" * 64 + b"  /etc/passwd\n", "absolute"),
    "MD5 alone": ("mtree", b"a type=file size=1 md5=d41d8cd98f00b204e9800998ecf8427e\n", "only digest is md5"),
    "MD5SUMS": ("sha256sums", b"d41d8cd98f00b204e9800998ecf8427e  a\n", "MD5"),
    "twice": ("sha256sums", b"a" * 64 + b"  x\n" + b"b" * 64 + b"  ./x\n", "line 2"),
    "a device": ("mtree", b"/set type=char\nnull device=0x103\n", "line 2"),
    "nothing": ("mtree", b"", "lists nothing"),
    "not a list": ("sha256sums", b"\x7fELF\n", "line 1"),
    "NUL": ("sha256sums", b"a" * 64 + b"  x\0", "NUL"),
    "terminal control": ("mtree", b"a type=\x1b[2J\n", "\\x1b"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_dangerous_list_is_refused_in_one_line(workdir: Path, case: str) -> None:
    form, text, word = REFUSED[case]
    output = workdir / "app.manifest"
    refused = import_list(form, "-o", output, stdin=text).expect(COULD_NOT_JUDGE)
    assert len(refused.err.splitlines()) == 1 and word in refused.err and "standard input" in refused.err, str(refused)
    assert not output.exists()


def test_a_refusal_names_the_file(workdir: Path) -> None:
    specification = workdir / "x.mtree"
    specification.write_text(". type=dir\nx type=fifo\n")
    assert f"{specification}: line 2: 'x': type=fifo" in import_list("mtree", specification).expect(COULD_NOT_JUDGE).err
    assert "No such file" in import_list("mtree", workdir / "absent").expect(COULD_NOT_JUDGE).err


def test_wrong_usage_of_import(workdir: Path) -> None:
    manifest_tool("import", *IDENTITY, stdin=b"").expect(USAGE)
    manifest_tool("import", "--format", "md5sums", *IDENTITY, stdin=b"").expect(USAGE)
    manifest_tool("import", "--format", "mtree", "--name", "app", stdin=b"").expect(USAGE)


def test_owners_and_modes_may_be_left_to_the_deploy(workdir: Path) -> None:
    tree = small_application(workdir / "tree")
    specification = succeed(["mtree", "-c", "-k", MTREE_KEYWORDS, "-p", tree]).stdout
    imported = workdir / "imported.manifest"
    import_list("mtree", "--mode", "exec", "--owner", "none", "-o", imported, stdin=specification).expect(CLEAN)
    assert entries(imported) == entries(build(tree, workdir / "built.manifest", "--digest", "sha256"))
