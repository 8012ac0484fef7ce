"""Keys and passwords: where they may come from, what is refused, and that none of them is ever shown."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.programs import CLEAN, COULD_NOT_JUDGE, MANIFEST_TOOL, USAGE, Result, environment, manifest_tool
from support.release import Keys, build, keygen, signature_of
from support.site import small_application
from support.terminal import type_at_prompts

PASSWORD = "correct horse"


@pytest.fixture
def manifest(workdir: Path) -> Path:
    return build(small_application(workdir / "tree"), workdir / "app.manifest")


@pytest.fixture
def keys(workdir: Path) -> Keys:
    return keygen(workdir)


def new_key(workdir: Path, *options: str, **variables: str) -> Result:
    where = ("-s", workdir / "new.key", "-p", workdir / "new.pub")
    return manifest_tool("keygen", *where, *options, env=environment(**variables))


def no_new_key(workdir: Path) -> None:
    assert not list(workdir.glob("new.*"))


# ---- nothing that may be a secret is shown


def assert_hidden(result: Result, secret: str) -> None:
    said = result.out + result.err
    assert result.err.count("\n") == 1, said
    for at in range(0, len(secret) - 8):
        assert secret[at : at + 8] not in said, said


@pytest.mark.parametrize("option", ["--key-env", "--password-env"])
def test_a_secret_in_the_place_of_its_variables_name(option: str, manifest: Path, keys: Keys, workdir: Path) -> None:
    locked = Keys(workdir / "locked.key", workdir / "locked.pub")
    word = environment(WORD=PASSWORD)
    manifest_tool("keygen", "-s", locked.secret, "-p", locked.public, "--password-env", "WORD", env=word).expect(0)
    text = keys.secret.read_text()
    key = () if option == "--key-env" else ("-s", locked.secret)
    for secret in (text, text.splitlines()[1], "Tr0ub4dor&3-and-more"):
        refused = manifest_tool("sign", *key, option, secret, manifest).expect(USAGE)
        assert f"{option}: no such environment variable (give its name, not its value)" in refused.err
        assert_hidden(refused, secret.splitlines()[-1])


def test_a_secret_in_the_place_of_a_new_passwords_variable(workdir: Path) -> None:
    refused = new_key(workdir, "--password-env", "Tr0ub4dor&3-and-more").expect(USAGE)
    assert "--password-env: no such environment variable" in refused.err
    assert_hidden(refused, "Tr0ub4dor&3-and-more")
    no_new_key(workdir)


def test_a_key_that_is_split_into_words_or_put_where_a_file_is_wanted(manifest: Path, keys: Keys) -> None:
    text = keys.secret.read_text()
    base64 = text.splitlines()[1]
    assert_hidden(manifest_tool("sign", manifest, "--key-env", *text.split()).expect(USAGE), base64)
    assert_hidden(manifest_tool("sign", f"--key-environment={base64}", manifest).expect(USAGE), base64)
    for given in (text, base64):
        refused = manifest_tool("sign", "-s", given, manifest).expect(USAGE)
        assert "no file's name" in refused.err
        assert_hidden(refused, base64)


def test_an_option_that_is_not_known_is_named(manifest: Path) -> None:
    assert "unknown option --pasword-env " in manifest_tool("sign", "--pasword-env=x", manifest).expect(USAGE).err


def test_a_key_that_is_none_is_told_by_the_options_name(manifest: Path) -> None:
    refused = manifest_tool("sign", "--key-env", "KEY", manifest, env=environment(KEY="no key")).expect(COULD_NOT_JUDGE)
    assert "--key-env: not a minisign secret key file" in refused.err and "no key" not in refused.err


def test_a_file_that_cannot_be_read_is_named_once(manifest: Path, workdir: Path) -> None:
    absent = workdir / "absent.key"
    assert manifest_tool("sign", "-s", absent, manifest).expect(COULD_NOT_JUDGE).err.count(str(absent)) == 1


# ---- the forms in which CI systems hand a key over


@pytest.mark.parametrize(
    "form",
    [
        lambda text: text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r\n").rstrip("\r\n"),
        lambda text: text.splitlines()[1],
        lambda text: text.splitlines()[1] + "\n",
        lambda text: text.splitlines()[1] + "\r\n",
    ],
    ids=["whole", "no final line end", "CR LF", "CR LF, no final one", "base64 alone", "base64 LF", "base64 CR LF"],
)
def test_a_key_in_a_variable(form: Callable[[str], str], manifest: Path, keys: Keys) -> None:
    env = environment(KEY=form(keys.secret.read_text()))
    manifest_tool("sign", "--key-env", "KEY", manifest, env=env).expect(CLEAN)
    manifest_tool("verify", "-p", keys.public, manifest).expect(CLEAN)


def test_a_file_is_taken_as_it_must_be(manifest: Path, keys: Keys) -> None:
    keys.secret.write_text(keys.secret.read_text().splitlines()[1] + "\n")
    manifest_tool("sign", "-s", keys.secret, manifest).expect(COULD_NOT_JUDGE)


# ---- a password at the prompt


def on_terminal(workdir: Path, *answers: bytes) -> tuple[int, str]:
    command = [MANIFEST_TOOL, "keygen", "-s", workdir / "new.key", "-p", workdir / "new.pub"]
    session = type_at_prompts(command, answers)
    assert session.echoes, f"the terminal is left without echo\n{session.shown}"
    return session.code, session.shown


@pytest.mark.parametrize("control", [b"\x03", b"\x1c", b"abc\x03"], ids=["^C", "^\\", "abc^C"])
def test_an_interrupt_at_the_prompt_leaves_the_terminal_as_it_was(control: bytes, workdir: Path) -> None:
    for before in ([], [b"secret word\n"]):
        code, shown = on_terminal(workdir, *before, control)
        assert code == COULD_NOT_JUDGE and shown.splitlines()[-1].endswith(": interrupted"), shown
        assert "secret word" not in shown
        no_new_key(workdir)


def test_the_end_of_the_input_is_no_password(workdir: Path) -> None:
    for answers in ([b"\x04"], [b"secret word\n", b"\x04"]):
        code, shown = on_terminal(workdir, *answers)
        assert code == COULD_NOT_JUDGE and "the input ended before a password was typed" in shown, shown
        no_new_key(workdir)


def test_a_new_key_has_no_empty_password(workdir: Path) -> None:
    code, shown = on_terminal(workdir, b"\n")
    assert code == USAGE and "use --no-password for a key without one" in shown, shown
    refused = new_key(workdir, "--password-env", "WORD", WORD="").expect(USAGE)
    assert "use --no-password for a key without one" in refused.err
    no_new_key(workdir)


def test_a_typed_password_makes_a_key(workdir: Path, manifest: Path) -> None:
    code, shown = on_terminal(workdir, b"secret word\n", b"secret word\n")
    assert code == CLEAN and "secret word" not in shown, shown
    sign = ("sign", "-s", workdir / "new.key", "--password-env", "WORD", manifest)
    manifest_tool(*sign, env=environment(WORD="secret word")).expect(CLEAN)
    assert signature_of(manifest).is_file()


# ---- a pair of files, or none


def test_a_public_key_that_cannot_be_written_leaves_no_secret_key(workdir: Path) -> None:
    secret, public = workdir / "new.key", workdir / "new.pub"
    public.write_text("mine\n")
    for where in (public, workdir / "no-directory" / "new.pub"):
        refused = manifest_tool("keygen", "--no-password", "-s", secret, "-p", where).expect(COULD_NOT_JUDGE)
        assert str(where) in refused.err and not secret.exists()
    assert public.read_text() == "mine\n"


def test_a_secret_key_that_cannot_be_written_leaves_no_public_key(workdir: Path) -> None:
    secret, public = workdir / "new.key", workdir / "new.pub"
    secret.write_text("mine\n")
    for where in (secret, workdir / "no-directory" / "new.key"):
        manifest_tool("keygen", "--no-password", "-s", where, "-p", public).expect(COULD_NOT_JUDGE)
        assert not public.exists()
    assert secret.read_text() == "mine\n"


def test_one_file_cannot_hold_both_keys(workdir: Path) -> None:
    (workdir / "link").symlink_to(".")
    for public in ("x", "./x", "link/x"):
        refused = manifest_tool("keygen", "--no-password", "-s", "x", "-p", public, cwd=workdir).expect(USAGE)
        assert "the same file" in refused.err
        assert sorted(os.listdir(workdir)) == ["link"]
