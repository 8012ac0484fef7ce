"""Several signers of one manifest, and keys with passwords, both ways with stock minisign."""

from pathlib import Path

import pytest

from support.programs import COULD_NOT_JUDGE, USAGE, Result, driftd, environment, manifest_tool
from support.release import Keys, build, keygen, sign, signature_of
from support.site import small_application
from support.stock import minisign_sign, minisign_verify
from support.terminal import answer_passwords

PASSWORD = "correct horse"


@pytest.fixture
def manifest(workdir: Path) -> Path:
    return build(small_application(workdir / "tree"), workdir / "app.manifest")


def verify(manifest: Path, *keys: Path, threshold: int = 1) -> Result:
    named = [word for key in keys for word in ("-p", key)]
    return manifest_tool("verify", *named, "--threshold", str(threshold), manifest)


def further_signature(manifest: Path, key: Keys) -> Path:
    return manifest.with_name(f"{manifest.name}.minisig.{key.id}")


def test_the_second_signer_stands_beside_the_first(manifest: Path, workdir: Path) -> None:
    first, second, third = (keygen(workdir, stem) for stem in ("first", "second", "third"))
    for key in (first, second, third):
        manifest_tool("sign", "-s", key.secret, manifest).expect(0)
    assert further_signature(manifest, second).is_file() and further_signature(manifest, third).is_file()
    for key in (first, second, third):
        assert f"good signature by {key.id}:" in verify(manifest, key.public).expect(0).out
    all_three = verify(manifest, first.public, second.public, third.public, threshold=3).expect(0)
    assert ", ".join(sorted(key.id for key in (first, second, third))) in all_three.out
    minisign_verify(first.public, manifest).expect(0)


def test_signing_again_replaces_ones_own_signature_alone(manifest: Path, workdir: Path) -> None:
    first, second = keygen(workdir, "first"), keygen(workdir, "second")
    for key in (first, second, first, second):
        manifest_tool("sign", "-s", key.secret, manifest).expect(0)
    beside = sorted(path.name for path in workdir.glob("app.manifest.minisig*"))
    assert beside == ["app.manifest.minisig", further_signature(manifest, second).name]
    verify(manifest, first.public, second.public, threshold=2).expect(0)


def test_a_threshold_counts_different_keys(manifest: Path, workdir: Path) -> None:
    first, second = keygen(workdir, "first"), keygen(workdir, "second")
    signature = sign(first, manifest)
    refused = verify(manifest, first.public, second.public, threshold=2).expect(COULD_NOT_JUDGE)
    assert "good signatures by 1 of the 2 different keys" in refused.err
    further_signature(manifest, second).write_bytes(signature.read_bytes())
    verify(manifest, first.public, second.public, threshold=2).expect(COULD_NOT_JUDGE)
    assert "--threshold 2" in verify(manifest, first.public, threshold=2).expect(USAGE).err
    verify(manifest, first.public, threshold=0).expect(USAGE)


def test_one_bad_signature_does_not_spoil_enough_good_ones(manifest: Path, workdir: Path) -> None:
    first, second = keygen(workdir, "first"), keygen(workdir, "second")
    sign(first, manifest)
    further_signature(manifest, second).write_text("no signature\n")
    verify(manifest, first.public, second.public).expect(0)
    root = workdir / "tree"
    driftd("check", "--root", root, "--manifest", manifest, "--trust", first.public, "--quiet").expect(0)


def test_a_password_key_of_stock_minisign_works_in_ours(manifest: Path, workdir: Path) -> None:
    """Made on a terminal, as people make them: with the strong scrypt parameters that are stock's default."""
    secret, public = workdir / "stock.key", workdir / "stock.pub"
    stock = "/usr/bin/minisign"
    code, shown = answer_passwords([stock, "-G", "-s", secret, "-p", public], PASSWORD, seconds=60)
    assert code == 0, shown
    named = ("--password-env", "SIGNING_PASSWORD")
    good, bad = environment(SIGNING_PASSWORD=PASSWORD), environment(SIGNING_PASSWORD="wrong")
    assert "password" in manifest_tool("sign", "-s", secret, *named, manifest, env=bad).expect(COULD_NOT_JUDGE).err
    assert not signature_of(manifest).exists()
    manifest_tool("sign", "-s", secret, *named, manifest, env=good).expect(0)
    minisign_verify(public, manifest).expect(0)
    verify(manifest, public).expect(0)
    signature_of(manifest).unlink()
    code, shown = answer_passwords([stock, "-S", "-s", secret, "-m", manifest], PASSWORD, seconds=60)
    assert code == 0 and PASSWORD not in shown, shown
    verify(manifest, public).expect(0)


def test_a_password_key_of_ours_works_in_stock_minisign(manifest: Path, workdir: Path) -> None:
    secret, public = workdir / "ours.key", workdir / "ours.pub"
    made = environment(NEW_PASSWORD=PASSWORD)
    manifest_tool("keygen", "-s", secret, "-p", public, "--password-env", "NEW_PASSWORD", env=made).expect(0)
    minisign_sign(secret, manifest, password="wrong").expect(2)
    minisign_sign(secret, manifest, password=PASSWORD).expect(0)
    verify(manifest, public).expect(0)


def test_a_key_from_the_environment_signs(manifest: Path, workdir: Path) -> None:
    """As a CI secret, which often loses its last line end; with and without a password."""
    plain, locked = keygen(workdir, "plain"), Keys(workdir / "locked.key", workdir / "locked.pub")
    word = environment(WORD=PASSWORD)
    manifest_tool("keygen", "-s", locked.secret, "-p", locked.public, "--password-env", "WORD", env=word).expect(0)
    key_env = ("--key-env", "KEY")
    manifest_tool("sign", *key_env, manifest, env=environment(KEY=plain.secret.read_text().rstrip("\n"))).expect(0)
    env = environment(KEY=locked.secret.read_text(), WORD=PASSWORD)
    manifest_tool("sign", *key_env, "--password-env", "WORD", manifest, env=env).expect(0)
    verify(manifest, plain.public, locked.public, threshold=2).expect(0)


def test_the_key_comes_from_one_place(manifest: Path, workdir: Path) -> None:
    keys = keygen(workdir)
    assert "-s FILE or --key-env VAR" in manifest_tool("sign", manifest).expect(USAGE).err
    manifest_tool("sign", "-s", keys.secret, "--key-env", "KEY", manifest).expect(USAGE)
    assert not signature_of(manifest).exists()


def test_another_keys_signature_of_what_stood_there_before_is_not_kept(manifest: Path, workdir: Path) -> None:
    """A rebuild after a rotation of keys: the old signature would be published with the new manifest."""
    old, new = keygen(workdir, "old"), keygen(workdir, "new")
    stale = sign(old, manifest)
    build(workdir / "tree", manifest, release="v2", sequence=2)
    refused = manifest_tool("sign", "-s", new.secret, manifest).expect(COULD_NOT_JUDGE)
    assert f"{stale} by key {old.id} is older than {manifest}: remove it, or sign again with that key\n" in refused.err
    assert not further_signature(manifest, new).exists()
    stale.unlink()
    manifest_tool("sign", "-s", new.secret, manifest).expect(0)
    minisign_verify(new.public, manifest).expect(0)


def test_signing_a_rebuild_with_the_same_key_replaces_its_signature(manifest: Path, workdir: Path) -> None:
    key = keygen(workdir)
    sign(key, manifest)
    sign(key, build(workdir / "tree", manifest, release="v2", sequence=2))
    assert "v2" in verify(manifest, key.public).expect(0).out
