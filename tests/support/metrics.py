"""A strict reader of the Prometheus text format, version 0.0.4."""

import re
from dataclasses import dataclass

Labels = frozenset[tuple[str, str]]

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: -?\d+)?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_SUFFIXES = ("_bucket", "_sum", "_count")


def _labels(text: str, line: str) -> Labels:
    pairs, at = [], 0
    while at < len(text):
        found = _LABEL.match(text, at)
        assert found, f"label not understood at {text[at:]!r} of the line {line!r}"
        pairs.append((found[1], re.sub(r"\\.", lambda escape: _ESCAPES[escape[0]], found[2])))
        at = found.end()
    assert len({name for name, _ in pairs}) == len(pairs), f"a label twice in {line!r}"
    return frozenset(pairs)


def _value(text: str) -> float:
    return float(text.replace("Inf", "inf"))


@dataclass
class Page:
    """A /metrics page. `types` are by family, `samples` by series."""

    text: str
    types: dict[str, str]
    helps: dict[str, str]
    samples: dict[tuple[str, Labels], float]

    def __repr__(self) -> str:
        """The page as it was served, without the comments, for the message of a test that failed."""
        return "\n".join(["a page:", *(line for line in self.text.splitlines() if not line.startswith("#"))])

    def value(self, name: str, /, **labels: str) -> float | None:
        """The value of exactly this series; None if the page has no such series."""
        return self.samples.get((name, frozenset(labels.items())))

    def number(self, name: str, /, **labels: str) -> float:
        """The value of exactly this series, which has to be there."""
        value = self.value(name, **labels)
        assert value is not None, f"no {name} with {labels}\n{self.text}"
        return value

    def series(self, name: str, /, **labels: str) -> list[dict[str, str]]:
        """The label sets of all series of that name which have at least these labels."""
        wanted = set(labels.items())
        return [dict(found) for (sample, found), _ in self.samples.items() if sample == name and wanted <= found]

    def names(self) -> set[str]:
        return {name for name, _ in self.samples}

    def family(self, sample: str) -> str:
        for suffix in _SUFFIXES:
            base = sample.removesuffix(suffix)
            if base != sample and self.types.get(base) in ("histogram", "summary"):
                return base
        return sample

    def drifted(self, tree: str) -> dict[str, int]:
        """Open drift of the tree by kind, without the kinds that have none."""
        found = {}
        for labels in self.series("driftd_drifted_paths", tree=tree, state="open"):
            count = self.samples["driftd_drifted_paths", frozenset(labels.items())]
            if count:
                found[labels["kind"]] = int(count)
        return found

    def verdict(self, tree: str) -> str:
        """The one verdict whose series is 1; anything else than exactly one is said, not guessed."""
        current = [
            labels["verdict"]
            for labels in self.series("driftd_tree_verdict", tree=tree)
            if self.samples["driftd_tree_verdict", frozenset(labels.items())] == 1
        ]
        return current[0] if len(current) == 1 else f"no single verdict: {current}"


def parse(text: str) -> Page:
    page = Page(text, {}, {}, {})
    assert text.endswith("\n"), "the last line of a metrics page has to end in a newline"
    for line in text[:-1].split("\n"):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in page.types, f"TYPE of {name} twice"
            page.types[name] = kind
        elif line.startswith("# HELP "):
            _, _, name, said = line.split(" ", 3)
            assert name not in page.helps, f"HELP of {name} twice"
            page.helps[name] = said
        elif line and not line.startswith("#"):
            found = _SAMPLE.fullmatch(line)
            assert found, f"line not understood: {line!r}"
            series = found["name"], _labels(found["labels"] or "", line)
            assert series not in page.samples, f"series twice: {line!r}"
            page.samples[series] = _value(found["value"])
    return page
