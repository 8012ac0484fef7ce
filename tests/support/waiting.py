"""Waiting for the world to reach a state: a poll with a deadline, and a failure that tells what was last seen."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    probe: Callable[[], T], accept: Callable[[T], bool], what: str, seconds: float = 5.0, every: float = 0.05
) -> T:
    """Calls probe() until accept() likes its value, and returns that value.

    An OSError of the probe (nothing listens yet) counts as a value not yet right, anything else is a failure at once.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + seconds
    seen: object = None
    while True:
        try:
            value = probe()
            if accept(value):
                return value
            seen = value
        except OSError as error:
            seen = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}\nlast seen: {seen!r}")
        time.sleep(every)
