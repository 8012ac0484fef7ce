"""Reading what `driftd --check` found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.json_shape import raw_path, validate
from support.programs import Result
from support.site import Site


@dataclass(frozen=True)
class Found:
    document: dict[str, Any]
    result: Result

    @property
    def drift(self) -> list[dict[str, Any]]:
        return [finding for tree in self.document["trees"] for finding in tree["drift"]]

    @property
    def unverified(self) -> list[dict[str, Any]]:
        return [item for tree in self.document["trees"] for item in tree["unverified"]]

    @property
    def kinds(self) -> dict[str, str]:
        """Path -> kind; for names that are text."""
        return {finding["path"]: finding["kind"] for finding in self.drift}

    @property
    def raw_paths(self) -> list[bytes]:
        return sorted(raw_path(finding) for finding in self.drift)

    def finding(self, path: str) -> dict[str, Any]:
        found = [finding for finding in self.drift if finding["path"] == path]
        assert len(found) == 1, f"{len(found)} findings for {path}\n{self.result}"
        return found[0]


def parse(result: Result) -> Found:
    return Found(validate(result.json(), result.code), result)


def check(site: Site, *arguments: str | bytes | Path, **how: Any) -> Found:
    """One --check, its document valid, its exit code the verdict's."""
    return parse(site.check("--json", *arguments, **how))
