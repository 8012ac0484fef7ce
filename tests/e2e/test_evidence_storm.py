"""Process numbers that are used again at once: nobody is taken for somebody else."""

import os
import sys
from pathlib import Path

import pytest

from support.evidence import open_drift
from support.fanotify import kernel_can_watch
from support.marks import needs_root
from support.pid_storm import FEW, UIDS
from support.programs import DRIFTD, environment, run
from support.site import Site, Tree, write_files

pytestmark = needs_root

ROUNDS = int(os.environ.get("DRIFTD_PID_ROUNDS", "2000"))


@pytest.mark.parametrize("how", ["anew", "few"])
def test_numbers_that_are_used_again(site: Site, app: Tree, how: str) -> None:
    if how == "anew" and not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK):
        pytest.skip("needs CONFIG_CHECKPOINT_RESTORE")
    if how == "few" and tuple(map(int, os.uname().release.split(".")[:2])) < (6, 14):
        pytest.skip("before Linux 6.14 process numbers are the whole machine's")
    if not kernel_can_watch(site.directory):
        pytest.skip(f"the kernel grants no fanotify mark on the file system of {site.directory}")
    names = [f"{uid}/f{number}" for uid in UIDS for number in range(ROUNDS // 2)]
    write_files(app.root, {"probe": "as released\n"} | {name: "as released\n" for name in names})
    for uid in UIDS:
        (app.root / str(uid)).chmod(0o755)
        for path in [app.root / str(uid), *(app.root / str(uid)).iterdir()]:
            os.chown(path, uid, uid)
    os.chown(app.root / "probe", UIDS[0], UIDS[0])
    site.release(app)
    storm = Path(__file__).parents[1] / "support" / "pid_storm.py"
    inside = [sys.executable, "-P", storm, how, app.root, str(ROUNDS), str(site.port)]
    daemon = [DRIFTD, "run", "--config", site.write_config()]
    namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    result = run([*namespace, *inside, "--", *daemon], env=environment(**site.directories()), timeout=600).expect(0)
    drift = open_drift(site)
    assert drift.keys() == set(names), result
    known = {path: evidence for path, evidence in drift.items() if evidence is not None}
    wrong = {path: evidence for path, evidence in known.items() if evidence["uid"] != int(path.split("/")[0])}
    several = sum(evidence["several"] for evidence in known.values())
    pids = {evidence["pid"] for evidence in known.values()}
    print(f"{len(known)} of {ROUNDS} known, {several} of several, {len(pids)} process numbers, {len(wrong)} wrong")
    assert not wrong
    assert len(known) > ROUNDS // 10
    assert len(pids) < (len(known) // 10 if how == "anew" else FEW), "numbers were to be used again and again"
