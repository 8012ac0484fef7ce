"""A host in a directory: a signing key, a trust directory, trees with signed manifests, one configuration."""

import json
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.programs import Result, driftd, environment
from support.release import Keys, build, keygen, publish, sign, signature_of


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Tree:
    """A tree of the host, and where its manifest lies."""

    name: str
    root: Path
    manifest: Path
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def signature(self) -> Path:
        return signature_of(self.manifest)

    def entry(self) -> dict[str, Any]:
        return {"name": self.name, "root": str(self.root), "manifest": str(self.manifest), **self.settings}


class Site:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("keys", "trust.d", "manifests", "staging", "state", "run"):
            (directory / name).mkdir(mode=0o755)
        self.trust_directory = directory / "trust.d"
        self.keys = self.trusted_key("release")
        self.trees: dict[str, Tree] = {}
        self.port = free_port()
        self.config = directory / "driftd.yaml"
        self.settings: dict[str, Any] = {}

    def trusted_key(self, stem: str) -> Keys:
        keys = self.foreign_key(stem)
        trusted = shutil.copyfile(keys.public, self.trust_directory / keys.public.name)
        trusted.chmod(0o644)
        return keys

    def foreign_key(self, stem: str) -> Keys:
        return keygen(self.directory / "keys", stem)

    def tree(self, name: str = "app", root: Path | None = None, **settings: Any) -> Tree:
        """Adds a tree to the configuration; its manifest has yet to be released."""
        root = root or self.directory / "srv" / name
        root.mkdir(parents=True, exist_ok=True)
        self.trees[name] = Tree(name, root, self.directory / "manifests" / f"{name}.manifest", settings)
        return self.trees[name]

    def release(self, tree: Tree, *options: str | bytes, keys: Keys | None = None, **identity: Any) -> Path:
        """Builds the manifest of the tree as it is now, signs it and puts it in force."""
        return self.release_of(tree.root, tree, *options, keys=keys, **identity)

    def release_of(
        self, content: Path, tree: Tree, *options: str | bytes, keys: Keys | None = None, **identity: Any
    ) -> Path:
        """Likewise, of what lies elsewhere."""
        staged = self.directory / "staging" / tree.manifest.name
        build(content, staged, *options, **{"name": tree.name, **identity})
        sign(keys or self.keys, staged)
        publish(staged, tree.manifest)
        return tree.manifest

    def configuration(self) -> dict[str, Any]:
        return {
            "trees": [tree.entry() for tree in self.trees.values()],
            "trust": {"directories": [str(self.trust_directory)]},
            "watch": "auto",
            "limits": {"threads": 2},
            "web": {"listen": [f"127.0.0.1:{self.port}"]},
            "log": {"level": "info"},
            **self.settings,
        }

    def directories(self) -> dict[str, str]:
        """The state and run directories, as systemd tells them to a service."""
        return {"STATE_DIRECTORY": str(self.directory / "state"), "RUNTIME_DIRECTORY": str(self.directory / "run")}

    def write_config(self) -> Path:
        """As JSON, every document of which is a YAML document too, with names quoted right whatever they hold."""
        self.config.write_text(json.dumps(self.configuration(), indent=2) + "\n")
        return self.config

    def check(self, *arguments: str | bytes | Path, **how: Any) -> Result:
        """driftd --check by the configuration."""
        how.setdefault("env", environment(**self.directories()))
        return driftd("--check", "--config", self.write_config(), *arguments, **how)

    def check_free(self, tree: Tree, *arguments: str | bytes | Path, **how: Any) -> Result:
        """driftd check without any configuration."""
        where: list[str | Path] = ["--root", tree.root, "--manifest", tree.manifest, "--trust", self.keys.public]
        how.setdefault("env", environment(**self.directories()))
        return driftd("check", *where, *arguments, **how)


def write_files(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


SMALL_APPLICATION: dict[str, str | bytes] = {
    "app.py": "import settings\nprint(settings.DEBUG)\n",
    "settings.py": "DEBUG = False\nSECRET = 'not here'\n",
    "lib/__init__.py": "",
    "lib/util.py": "def util():\n    return 42\n",
    "lib/deep/er/module.py": "VALUE = 1\n",
    "bin/run": "#!/bin/sh\nexec python3 app.py\n",
}


def small_application(root: Path) -> Path:
    """Six files, an executable and a symlink: enough for every kind of drift."""
    write_files(root, SMALL_APPLICATION)
    (root / "bin" / "run").chmod(0o755)
    (root / "current").symlink_to("lib")
    return root
