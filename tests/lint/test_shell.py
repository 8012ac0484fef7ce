"""Shell scripts pass shellcheck."""

import pytest


def test_shellcheck(tree, tool, run) -> None:
    shellcheck = tool("shellcheck")
    scripts = tree.shell_scripts()
    if not scripts:
        pytest.skip("no shell scripts here")
    result = run(shellcheck, "--external-sources", "--source-path=SCRIPTDIR", *scripts)
    assert result.returncode == 0, "\n" + result.stdout + result.stderr


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("run", "#!/bin/sh\n", True),
        ("run", "#!/usr/bin/env bash\n", True),
        ("run", "#! /bin/dash -e\n", True),
        ("postinst", "#!/usr/bin/bash\n", True),
        ("lib.sh", "f() { :; }\n", True),
        ("run", "#!/usr/bin/python3\n", False),
        ("run", "#!/bin/shfmt\n", False),
        ("run", "echo '#!/bin/sh'\n", False),
    ],
)
def test_tells_a_shell_script(plant, path: str, text: str, found: bool) -> None:
    assert plant({path: text}).shell_scripts() == ([path] if found else [])
