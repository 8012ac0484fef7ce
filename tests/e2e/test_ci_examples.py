"""What packaging/examples shows for CI is run here, with the variables that GitHub and GitLab set."""

import hashlib
import re
import subprocess
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from support.programs import MANIFEST_TOOL, REPOSITORY, driftd, environment, manifest_tool, printable
from support.release import Keys, headers_of, keygen, signature_of
from support.site import small_application
from support.stock import minisign_verify

SCRIPT = REPOSITORY / "packaging" / "examples" / "release.sh"
COMMIT_TIME = 1_760_000_000

pytestmark = pytest.mark.skipif(
    b"--artifact" not in manifest_tool("build", "--help").stdout, reason="driftd-manifest build has no --artifact yet"
)


@dataclass
class Checkout:
    """A repository with one commit, what was built from it, and the keys."""

    root: Path
    commit: str
    keys: Keys

    @property
    def source(self) -> Path:
        return self.root / "build" / "myapp"

    @property
    def artifact(self) -> Path:
        return self.root / "dist" / "myapp.tar.gz"

    @property
    def manifest(self) -> Path:
        return self.root / "dist" / "myapp.manifest"

    def release(self, *options: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
        """With the key as the examples say to store it: its base64 line alone."""
        key = self.keys.secret.read_text().splitlines()[1]
        env = environment(**{"DRIFTD_NAME": "myapp", "DRIFTD_SIGNING_KEY": key, **variables})
        env = {name: value for name, value in env.items() if value}
        env["PATH"] = f"{MANIFEST_TOOL.parent}:{env['PATH']}"
        return subprocess.run(
            [SCRIPT, "dist/myapp.tar.gz", "build/myapp", *options], cwd=self.root, env=env, capture_output=True, timeout=120
        )


@pytest.fixture
def checkout(workdir: Path) -> Checkout:
    root = workdir / "checkout"
    source = root / "build" / "myapp"
    source.mkdir(parents=True)
    small_application(source)
    (root / "dist").mkdir()
    with tarfile.open(root / "dist" / "myapp.tar.gz", "w:gz") as archive:
        archive.add(source, ".")
    keys = keygen(workdir)
    (root / "release.pub").write_bytes(keys.public.read_bytes())

    def git(*command: str) -> str:
        identity = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        dates = {f"GIT_{who}_DATE": f"{COMMIT_TIME} +0000" for who in ("AUTHOR", "COMMITTER")}
        done = subprocess.run(
            ["git", *command], cwd=root, env=environment(HOME=str(workdir), **identity, **dates), capture_output=True
        )
        assert done.returncode == 0, printable(done.stderr)
        return done.stdout.decode().strip()

    git("init", "--quiet")
    git("add", "release.pub")
    git("commit", "--quiet", "--message", "x")
    return Checkout(root, git("rev-parse", "HEAD"), keys)


def github(commit: str) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REF_NAME": "v103",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "team/myapp",
        "GITHUB_SHA": commit,
        "GITHUB_RUN_ID": "42",
        "GITHUB_RUN_ATTEMPT": "1",
    }


def gitlab(commit: str) -> dict[str, str]:
    return {
        "GITLAB_CI": "true",
        "CI_COMMIT_REF_NAME": "v103",
        "CI_PROJECT_URL": "https://gitlab.example/team/myapp",
        "CI_COMMIT_SHA": commit,
        "CI_PIPELINE_URL": "https://gitlab.example/team/myapp/-/pipelines/42",
    }


@pytest.mark.parametrize(
    ("variables", "repository", "pipeline"),
    [
        (github, "https://github.example/team/myapp", "/actions/runs/42/attempts/1"),
        (gitlab, "https://gitlab.example/team/myapp", "/-/pipelines/42"),
    ],
)
def test_a_release_is_listed_signed_and_says_where_it_comes_from(
    checkout: Checkout, variables: Callable[[str], dict[str, str]], repository: str, pipeline: str
) -> None:
    done = checkout.release("--mutable", "var/cache/**", "--label", "env=production", **variables(checkout.commit))
    assert done.returncode == 0, printable(done.stderr)
    headers = headers_of(checkout.manifest)
    assert headers["name"] == "myapp"
    assert headers["release"] == "v103"
    assert headers["source"] == f"git+{repository}@{checkout.commit}"
    assert headers["pipeline"] == repository + pipeline
    digest = hashlib.sha256(checkout.artifact.read_bytes()).hexdigest()
    assert headers["artifact"] == f"myapp.tar.gz sha256:{digest}"
    assert headers["label"] == "env=production"
    minisign_verify(checkout.keys.public, checkout.manifest).expect(0)
    where: list[str | Path] = ["--root", checkout.source, "--manifest", checkout.manifest]
    driftd("check", *where, "--trust", checkout.keys.public, "--quiet").expect(0)


def test_the_same_commit_gives_the_same_content(checkout: Checkout) -> None:
    contents = set()
    for sequence in ("103", "104"):
        done = checkout.release(DRIFTD_SEQUENCE=sequence, **gitlab(checkout.commit))
        assert done.returncode == 0, printable(done.stderr)
        contents.add(headers_of(checkout.manifest)["content"])
    assert len(contents) == 1


@pytest.mark.parametrize("epoch", ["", str(COMMIT_TIME)])
def test_the_release_of_an_old_commit_is_not_born_expired(checkout: Checkout, epoch: str) -> None:
    """Be SOURCE_DATE_EPOCH set for the build or not: its lifetime starts now."""
    before = int(time.time())
    done = checkout.release("--expires", "1d", **github(checkout.commit), SOURCE_DATE_EPOCH=epoch)
    assert done.returncode == 0, printable(done.stderr)
    headers = headers_of(checkout.manifest)
    created, expires = (datetime.fromisoformat(headers[when]).timestamp() for when in ("created", "expires"))
    assert before <= created <= time.time() and expires == created + 86400


def test_the_whole_text_of_the_key_signs_too(checkout: Checkout) -> None:
    text = checkout.keys.secret.read_text()
    for key in (text, text.rstrip("\n"), text.replace("\n", "\r\n")):
        done = checkout.release(**gitlab(checkout.commit), DRIFTD_SIGNING_KEY=key)
        assert done.returncode == 0, printable(done.stderr)


@pytest.mark.parametrize("example", ["gitlab-ci.yml", "github-actions.yml"])
def test_the_examples_say_to_store_what_can_be_masked(checkout: Checkout, example: str) -> None:
    """GitLab masks a variable of one line, without spaces, of its base64 alphabet and some more (docs: mask a variable)."""
    assert "`sed -n 2p" in (SCRIPT.parent / example).read_text().replace("\n# ", " ")
    assert re.fullmatch(r"[A-Za-z0-9+/=]{8,}", checkout.keys.secret.read_text().splitlines()[1])


def test_the_wrong_key_leaves_nothing_to_publish(checkout: Checkout, workdir: Path) -> None:
    other = keygen(workdir, "other")
    (checkout.root / "release.pub").write_bytes(other.public.read_bytes())
    done = checkout.release(**github(checkout.commit))
    assert done.returncode != 0
    assert b"not trusted" in done.stderr
    assert not checkout.manifest.exists() and not signature_of(checkout.manifest).exists()


def test_the_key_is_never_shown(checkout: Checkout) -> None:
    secret = checkout.keys.secret.read_text().splitlines()[1].encode()
    for variables in (github(checkout.commit), {}, gitlab("no-such-commit")):
        done = checkout.release(**variables)
        assert secret[10:30] not in done.stdout + done.stderr


@pytest.mark.parametrize("absent", ["DRIFTD_NAME", "DRIFTD_SIGNING_KEY"])
def test_what_is_not_set_is_said(checkout: Checkout, absent: str) -> None:
    env = environment(DRIFTD_NAME="myapp", DRIFTD_SIGNING_KEY="x", **github(checkout.commit))
    del env[absent]
    done = subprocess.run([SCRIPT, "dist/myapp.tar.gz", "build/myapp"], cwd=checkout.root, env=env, capture_output=True)
    assert done.returncode != 0
    assert absent.encode() in done.stderr
