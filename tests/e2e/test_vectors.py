"""Signatures: vectors made by stock minisign, and ours in its hands."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.programs import (
    COULD_NOT_JUDGE,
    MANIFEST_TOOL,
    REPOSITORY,
    USAGE,
    Result,
    environment,
    manifest_tool,
    succeed,
)
from support.release import build, keygen, sign, signature_of
from support.site import small_application
from support.stock import minisign_sign, minisign_verify
from support.terminal import answer_passwords
from support.workdir import new_workdir

VECTORS = REPOSITORY / "tests" / "vectors" / "minisign"
PASSWORD = "test"
Spoil = Callable[[bytes], bytes]


def verify(public: Path, file: Path) -> Result:
    return manifest_tool("verify", "-p", public, file)


def one_line(result: Result) -> str:
    assert len(result.stderr.splitlines()) == 1, f"one line was to be said\n{result}"
    return result.err


def blames_the_signature(refused: Result, directory: Path) -> bool:
    """True where the one-line message is about the signature, False where it is about something else."""
    message = one_line(refused.expect(COULD_NOT_JUDGE)).replace(str(directory), "")
    return re.search(r"signature|signed|\.minisig", message) is not None


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    with new_workdir() as directory:
        yield small_application(directory / "tree")


@pytest.fixture
def manifest(tree: Path, workdir: Path) -> Path:
    return build(tree, workdir / "app.manifest")


@pytest.mark.parametrize(
    ("signature", "key", "blamed"),
    [
        # The signature is good, and then `message` is no manifest.
        ("message.minisig", "key.pub", False),
        ("message.minisig", "other.pub", True),
        ("message.other.minisig", "other.pub", False),
        ("message.other.minisig", "key.pub", True),
        ("message.legacy.minisig", "key.pub", True),
    ],
)
def test_published_vectors(workdir: Path, signature: str, key: str, blamed: bool) -> None:
    message = shutil.copy(VECTORS / "message", workdir / "message")
    shutil.copy(VECTORS / signature, signature_of(message))
    assert blames_the_signature(verify(VECTORS / key, message), workdir) == blamed


@pytest.mark.parametrize("key", ["key", "other", "locked"])
def test_stock_signs_and_we_accept(manifest: Path, key: str) -> None:
    minisign_sign(VECTORS / f"{key}.sec", manifest, password=PASSWORD).expect(0)
    verify(VECTORS / f"{key}.pub", manifest).expect(0)


def test_a_strangers_good_signature_is_refused(manifest: Path, workdir: Path) -> None:
    minisign_sign(VECTORS / "other.sec", manifest).expect(0)
    assert blames_the_signature(verify(VECTORS / "key.pub", manifest), workdir)


def test_the_legacy_form_is_refused(manifest: Path, workdir: Path) -> None:
    minisign_sign(VECTORS / "key.sec", manifest, "-l").expect(0)
    assert blames_the_signature(verify(VECTORS / "key.pub", manifest), workdir)


def test_an_untrusted_comment_may_be_anything(manifest: Path) -> None:
    minisign_sign(VECTORS / "key.sec", manifest, "-c", "made by hand").expect(0)
    verify(VECTORS / "key.pub", manifest).expect(0)


@pytest.mark.parametrize("key", ["key", "other"])
def test_we_sign_and_stock_accepts(manifest: Path, key: str) -> None:
    manifest_tool("sign", "-s", VECTORS / f"{key}.sec", manifest).expect(0)
    minisign_verify(VECTORS / f"{key}.pub", manifest).expect(0)


def sign_locked(manifest: Path, **env: str) -> Result:
    password = ["--password-env", "SIGNING_PASSWORD"]
    return manifest_tool("sign", "-s", VECTORS / "locked.sec", *password, manifest, env=environment(**env))


def test_a_key_with_a_password_signs(manifest: Path) -> None:
    sign_locked(manifest, SIGNING_PASSWORD=PASSWORD).expect(0)
    minisign_verify(VECTORS / "locked.pub", manifest).expect(0)
    verify(VECTORS / "locked.pub", manifest).expect(0)


def test_a_wrong_password_does_not_sign(manifest: Path) -> None:
    refused = sign_locked(manifest, SIGNING_PASSWORD="hunter2").expect(COULD_NOT_JUDGE)
    assert "hunter2" not in one_line(refused), "a password is shown"
    assert not signature_of(manifest).exists()


def test_a_variable_that_is_not_set_does_not_sign(manifest: Path) -> None:
    refused = sign_locked(manifest)
    assert refused.code in (COULD_NOT_JUDGE, USAGE) and "--password-env" in one_line(refused), str(refused)
    assert "SIGNING_PASSWORD" not in refused.err, "what was given may be the password itself"
    assert not signature_of(manifest).exists()


def test_sign_asks_nothing_without_a_terminal(manifest: Path) -> None:
    """It ends at once, with an error; `run` fails the test if it waits."""
    refused = manifest_tool("sign", "-s", VECTORS / "locked.sec", manifest, timeout=20)
    assert refused.code in (COULD_NOT_JUDGE, USAGE) and "--password-env" in one_line(refused), str(refused)
    assert not signature_of(manifest).exists()


def test_our_keys_work_in_stock_minisign(manifest: Path, workdir: Path) -> None:
    keys = keygen(workdir)
    assert keys.secret.stat().st_mode & 0o077 == 0, "a secret key is for its owner alone"
    minisign_sign(keys.secret, manifest).expect(0)
    minisign_verify(keys.public, manifest).expect(0)
    verify(keys.public, manifest).expect(0)
    again = workdir / "again.pub"
    succeed(["minisign", "-R", "-s", keys.secret, "-p", again])
    assert again.read_text().splitlines()[1] == keys.public.read_text().splitlines()[1]


def test_stock_keys_work_in_ours(manifest: Path, workdir: Path) -> None:
    secret, public = workdir / "stock.sec", workdir / "stock.pub"
    succeed(["minisign", "-G", "-W", "-s", secret, "-p", public])
    manifest_tool("sign", "-s", secret, manifest).expect(0)
    minisign_verify(public, manifest).expect(0)
    verify(public, manifest).expect(0)


def test_a_password_is_asked_for_on_a_terminal(manifest: Path, workdir: Path) -> None:
    """A key made with a password works in stock minisign with it, and the password never shows."""
    secret, public = workdir / "asked.sec", workdir / "asked.pub"
    password = "correct horse"
    code, shown = answer_passwords([MANIFEST_TOOL, "keygen", "-s", secret, "-p", public], password)
    assert code == 0 and password not in shown, shown
    minisign_sign(secret, manifest, password=password).expect(0)
    minisign_verify(public, manifest).expect(0)
    signature_of(manifest).unlink()
    code, shown = answer_passwords([MANIFEST_TOOL, "sign", "-s", secret, manifest], password)
    assert code == 0 and password not in shown, shown
    verify(public, manifest).expect(0)


def test_keygen_without_a_terminal_makes_no_key_without_being_told(workdir: Path) -> None:
    secret = workdir / "silent.sec"
    refused = manifest_tool("keygen", "-s", secret, "-p", workdir / "silent.pub", timeout=20)
    assert refused.code in (COULD_NOT_JUDGE, USAGE) and "--no-password" in one_line(refused), str(refused)
    assert not secret.exists()


def test_keygen_never_overwrites_a_key(workdir: Path) -> None:
    keys = keygen(workdir)
    before = keys.secret.read_bytes()
    manifest_tool("keygen", "-s", keys.secret, "-p", keys.public, "--no-password").expect(COULD_NOT_JUDGE)
    assert keys.secret.read_bytes() == before


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def is_untrusted(signature: bytes, at: int) -> bool:
    """True inside the text after `untrusted comment: `, which anybody may write."""
    return len(b"untrusted comment: ") <= at < signature.index(b"\n")


def test_a_flipped_bit_in_the_file_or_its_signature_is_refused(manifest: Path, workdir: Path) -> None:
    """A sample, spread over both files; the unit tests flip every bit."""
    keys = keygen(workdir)
    signature = sign(keys, manifest)
    for file, step in ((signature, 41), (manifest, 997)):
        original = file.read_bytes()
        for bit in range(0, len(original) * 8, step):
            if file == signature and is_untrusted(original, bit // 8):
                continue
            file.write_bytes(flipped(original, bit))
            assert verify(keys.public, manifest).code == COULD_NOT_JUDGE, f"{file.name}: bit {bit} flipped was accepted"
        file.write_bytes(original)
    verify(keys.public, manifest).expect(0)


def test_a_character_that_is_none_of_base64_is_refused(manifest: Path, workdir: Path) -> None:
    """Some decoders take a character with its high bit set for the one without."""
    keys = keygen(workdir)
    signature = sign(keys, manifest)
    original = signature.read_bytes()
    first = original.index(b"\n")
    for at, byte in enumerate(original):
        if at > first and byte in b"+/=":
            signature.write_bytes(flipped(original, at * 8 + 7))
            assert verify(keys.public, manifest).code == COULD_NOT_JUDGE, f"byte {byte ^ 0x80:#x} was accepted"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1],
        lambda text: text + b"\n",
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\n".join(text.split(b"\n")[:2]) + b"\n",
        lambda text: b"",
        lambda text: text + b"x" * 8192,
        lambda text: text.replace(b"=\n", b"==\n", 1),
    ],
    ids=["no last newline", "an empty line more", "CR LF", "two lines", "empty", "too long", "padding more"],
)
def test_a_signature_file_has_one_form_only(manifest: Path, workdir: Path, spoil: Spoil) -> None:
    keys = keygen(workdir)
    signature = sign(keys, manifest)
    signature.write_bytes(spoil(signature.read_bytes()))
    assert blames_the_signature(verify(keys.public, manifest), workdir)


def test_the_key_id_is_in_the_comment(workdir: Path) -> None:
    keys = keygen(workdir)
    assert keys.public.read_text().splitlines()[0] == f"untrusted comment: minisign public key {keys.id}"
