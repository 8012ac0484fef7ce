"""The same content under a new identity: how a rollback is released without a build."""

from pathlib import Path

import pytest

from support.programs import CLEAN, COULD_NOT_JUDGE, USAGE, Result, environment, manifest_tool
from support.release import Keys, build, expire, headers_of, keygen, sign, signature_of
from support.site import small_application
from support.stock import minisign_verify

EPOCH = 1_700_000_000
NEXT_CENTURY = 4_102_444_800


@pytest.fixture
def keys(workdir: Path) -> Keys:
    return keygen(workdir)


@pytest.fixture
def released(workdir: Path, keys: Keys) -> Path:
    origin = ("--source", "git+https://x@1", "--pipeline", "https://ci/1", "--mutable", "var/**", "--mode", "exact")
    passing = ("--expires", "90d", "--label", "env=staging", "--override", "skip-tests")
    tree = small_application(workdir / "tree")
    manifest = build(tree, workdir / "old.manifest", *origin, *passing, release="v102", sequence=102)
    sign(keys, manifest)
    return manifest


def relabel(
    keys: Keys, *words: str | Path, release: str = "v102-rollback", sequence: str = "104", epoch: int = EPOCH
) -> Result:
    identity = ("--release", release, "--sequence", sequence)
    return manifest_tool("relabel", "-p", keys.public, *identity, *words, env=environment(SOURCE_DATE_EPOCH=str(epoch)))


def body(manifest: Path) -> list[str]:
    lines = manifest.read_text().splitlines()
    return [line for line in lines if not line.startswith("#") or line.startswith("#mutable")]


def test_content_and_origin_stay_and_the_rest_is_new(released: Path, keys: Keys, workdir: Path) -> None:
    new = workdir / "new.manifest"
    said = relabel(keys, released, "-o", new).expect(CLEAN)
    assert f"Next: driftd-manifest sign -s release.key {new}" in said.err
    old_headers, headers = headers_of(released), headers_of(new)
    for kept in ("name", "source", "pipeline", "mutable", "entries", "content"):
        assert headers[kept] == old_headers[kept]
    assert not {"expires", "label", "override"} & headers.keys()
    assert (headers["release"], headers["sequence"]) == ("v102-rollback", "104")
    assert headers["created"] == "2023-11-14T22:13:20Z"
    assert body(new) == body(released)
    manifest_tool("diff", released, new).expect(CLEAN)
    assert not signature_of(new).exists(), "it is for the key's holder to sign"
    sign(keys, new)
    minisign_verify(keys.public, new).expect(0)


def test_what_is_given_anew_is_taken(released: Path, keys: Keys) -> None:
    anew = ("--expires", "1d", "--label", "env=production", "--override", "incident-7")
    text = relabel(keys, *anew, released, epoch=NEXT_CENTURY).expect(CLEAN).out
    for line in ("#expires: 2100-01-02T00:00:00Z", "#label: env=production", "#override: incident-7"):
        assert f"{line}\n" in text
    assert "staging" not in text and "skip-tests" not in text


def test_now_is_a_higher_sequence(released: Path, keys: Keys) -> None:
    assert "#release: x\n" in relabel(keys, released, release="x", sequence="now").expect(CLEAN).out


@pytest.mark.parametrize("sequence", ["102", "101", "0"])
def test_a_sequence_that_no_host_would_take_is_refused(released: Path, keys: Keys, workdir: Path, sequence: str) -> None:
    new = workdir / "new.manifest"
    refused = relabel(keys, released, "-o", new, sequence=sequence).expect(USAGE)
    assert f"--sequence {sequence}: must be higher than 102, that of {released}\n" in refused.err
    assert not new.exists()


def test_what_is_not_signed_by_the_key_is_not_relabelled(released: Path, keys: Keys, workdir: Path) -> None:
    new = workdir / "new.manifest"
    stranger = keygen(workdir, "stranger")
    assert "not trusted" in relabel(stranger, released, "-o", new).expect(COULD_NOT_JUDGE).err
    released.write_bytes(released.read_bytes().replace(b"v102", b"v103"))
    assert "changed after signing" in relabel(keys, released, "-o", new).expect(COULD_NOT_JUDGE).err
    signature_of(released).unlink()
    assert "no signature" in relabel(keys, released, "-o", new).expect(COULD_NOT_JUDGE).err
    assert not new.exists()


def test_relabelling_can_ask_for_two_signers(released: Path, keys: Keys, workdir: Path) -> None:
    other = keygen(workdir, "other")
    two = ("-p", other.public, "--threshold", "2")
    assert "1 of the 2" in relabel(keys, *two, released).expect(COULD_NOT_JUDGE).err
    manifest_tool("sign", "-s", other.secret, released).expect(CLEAN)
    relabel(keys, *two, released).expect(CLEAN)


def test_a_lifetime_that_is_over_already_is_refused(released: Path, keys: Keys, workdir: Path) -> None:
    new = workdir / "new.manifest"
    refused = relabel(keys, "--expires", "1d", released, "-o", new).expect(USAGE)
    assert "--expires '1d': over already" in refused.err and "2023-11-14T22:13:20Z" in refused.err
    assert len(refused.err.splitlines()) == 1 and not new.exists()


def test_an_expired_release_can_be_relabelled(released: Path, keys: Keys) -> None:
    """A rollback is to what has long been there."""
    expire(released)
    sign(keys, released)
    manifest_tool("verify", "-p", keys.public, released).expect(COULD_NOT_JUDGE)
    relabel(keys, released).expect(CLEAN)


def test_the_options_are_looked_at_before_the_release(keys: Keys, workdir: Path) -> None:
    refused = relabel(keys, "--label", "a=1", "--label", "a=2", workdir / "none").expect(USAGE)
    assert "--label 'a=2': the key is given twice" in refused.err


def test_what_is_read_is_not_overwritten(released: Path, keys: Keys) -> None:
    before = released.read_bytes()
    assert "is what the manifest is made from" in relabel(keys, released, "-o", released).expect(USAGE).err
    for file in (keys.secret, signature_of(released)):
        kept = file.read_bytes()
        assert "exists and is no manifest: not replaced" in relabel(keys, released, "-o", file).expect(COULD_NOT_JUDGE).err
        assert file.read_bytes() == kept
    assert released.read_bytes() == before
