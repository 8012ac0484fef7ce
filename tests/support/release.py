"""What CI does: keys, manifests, signatures, with our own release tool."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path

from support.programs import environment, manifest_tool


@dataclass(frozen=True)
class Keys:
    secret: Path
    public: Path

    @property
    def id(self) -> str:
        """16 hexadecimal digits. From the key itself: stock minisign leaves leading zeros out of its comment."""
        raw = base64.b64decode(self.public.read_text().splitlines()[1])
        assert raw[:2] == b"Ed", f"no minisign key: {raw!r}"
        return f"{int.from_bytes(raw[2:10], 'little'):016X}"


def keygen(directory: Path, stem: str = "release") -> Keys:
    keys = Keys(directory / f"{stem}.key", directory / f"{stem}.pub")
    manifest_tool("keygen", "-s", keys.secret, "-p", keys.public, "--no-password").expect(0)
    return keys


def build(
    tree: Path,
    manifest: Path,
    *options: str | bytes,
    name: str = "app",
    release: str = "v1",
    sequence: int | str = 1,
    epoch: int | None = None,
    timeout: float = 120,
) -> Path:
    identity = ["--name", name, "--release", release, "--sequence", str(sequence)]
    env = environment() if epoch is None else environment(SOURCE_DATE_EPOCH=str(epoch))
    manifest_tool("build", *identity, *options, tree, "-o", manifest, env=env, timeout=timeout).expect(0)
    return manifest


def signature_of(manifest: Path) -> Path:
    return manifest.with_name(manifest.name + ".minisig")


def sign(keys: Keys, manifest: Path) -> Path:
    manifest_tool("sign", "-s", keys.secret, manifest).expect(0)
    signature = signature_of(manifest)
    assert signature.is_file(), f"sign left no {signature}"
    return signature


def headers_of(manifest: Path) -> dict[str, str]:
    """The last of each name, for those that repeat."""
    lines = manifest.read_text(encoding="ascii").splitlines()
    return dict(line[1:].split(": ", 1) for line in lines if line.startswith("#") and ": " in line)


def expire(manifest: Path) -> Path:
    """Makes it one whose time is over, which no tool of ours would build; it has to be signed again."""
    kept = [line for line in manifest.read_text(encoding="ascii").splitlines(True) if not line.startswith("#expires: ")]
    at = next(number for number, line in enumerate(kept) if line.startswith("#created: "))
    kept[at : at + 1] = ["#created: 2020-01-01T00:00:00Z\n", "#expires: 2020-01-02T00:00:00Z\n"]
    manifest.write_text("".join(kept), encoding="ascii")
    return manifest


def publish(staged: Path, manifest: Path) -> None:
    """Puts a signed manifest where a host looks for it, as a deploy tool does: whole files, the manifest first."""
    os.replace(staged, manifest)
    os.replace(signature_of(staged), signature_of(manifest))
