"""The CI examples are valid YAML, call the script that the end-to-end tests run, and publish all that belongs together."""

import re
from collections.abc import Hashable
from typing import Any

import pytest
import yaml

SCRIPT = "packaging/examples/release.sh"
PIPELINES = ("packaging/examples/github-actions.yml", "packaging/examples/gitlab-ci.yml")


class StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML readers silently take one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"stands twice: {twice[0]}", node.start_mark)
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    return yaml.load(text, StrictLoader)  # noqa: S506  a SafeLoader


def commands(pipeline: Any) -> str:
    """All that is run, of either system."""
    if isinstance(pipeline, dict):
        ours = [value for key, value in pipeline.items() if key in {"run", "script"}]
        return "\n".join([commands(value) for value in pipeline.values()] + [_text(value) for value in ours])
    if isinstance(pipeline, list):
        return "\n".join(commands(value) for value in pipeline)
    return ""


def _text(value: Any) -> str:
    return "\n".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("path", PIPELINES)
def test_pipeline_signs_and_publishes(tree, path: str) -> None:
    text = commands(load(tree.text(path)))
    assert text.count("ci/release.sh ") == 1
    published = text.split("ci/release.sh ")[1].splitlines()[1:]
    for name in ("myapp.tar.gz", "myapp.manifest", "myapp.manifest.minisig"):
        assert any(re.search(rf"\b{re.escape(name)}(?![.\w])", line) for line in published), f"{name} is not published"


@pytest.mark.parametrize("path", PIPELINES)
def test_pipeline_sets_what_the_script_wants(tree, path: str) -> None:
    required = re.findall(r"\$\{(DRIFTD_\w+):\?", tree.text(SCRIPT))
    assert required
    for name in required:
        assert name in tree.text(path), f"{path} says nothing of {name}"


def test_a_key_that_stands_twice_is_found() -> None:
    with pytest.raises(yaml.YAMLError):
        load("a: 1\nb: 2\na: 3\n")
