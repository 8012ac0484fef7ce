"""Reasons to leave a test out, in one place so that none is silent or vague."""

import os

import pytest

needs_root = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="needs root: the trust directory must belong to root, and the service runs as root",
)
