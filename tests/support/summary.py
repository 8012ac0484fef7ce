"""Adds up JUnit result files. usage: summary.py FAILED_STEPS FILE...

Prints what failed and what was skipped, then `N passed, N failed` as the last line. Exit 1 where anything failed or
nothing was run.
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator


def cases(path: str) -> Iterator[ElementTree.Element]:
    """None where the program was ended before it wrote any; such a step counts as failed already."""
    try:
        yield from ElementTree.parse(path).iter("testcase")
    except ElementTree.ParseError:
        print(f"FAILED  {path}: no results")


def main() -> int:
    failed = int(sys.argv[1])
    passed = 0
    skipped: dict[str, int] = {}
    for path in sys.argv[2:]:
        for case in cases(path):
            name = f"{case.get('classname')}: {case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
                print(f"FAILED  {name}")
            elif (skip := case.find("skipped")) is not None:
                reason = skip.get("message") or "no reason given"
                skipped[reason] = skipped.get(reason, 0) + 1
            else:
                passed += 1
    for reason, count in sorted(skipped.items()):
        print(f"skipped {count}: {reason}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
