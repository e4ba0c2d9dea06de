# SPDX-License-Identifier: Apache-2.0
"""The benchmark runs; and a held plan of many leavers, compared anew at each poll, takes no time that grows with the
square of them."""

import json
import os
import subprocess
import sys

from lib.process import scaled

RUN = os.path.normpath(os.path.join(os.path.dirname(__file__), "../bench/run"))
LINEAR = 1.0        # CPU seconds: a tenth is usual, and three it would be


def test_leavers(tmp_path):
    found = tmp_path / "found.json"
    done = subprocess.run([sys.executable, RUN, "--people", "800", "--json", str(found), "leave"],
                          capture_output=True, text=True, timeout=scaled(60))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(found.read_text())["found"]
    assert len(rows) == 2 and all(row["cpu"] < scaled(LINEAR) for row in rows.values()), done.stdout
