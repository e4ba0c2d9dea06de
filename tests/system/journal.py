# SPDX-License-Identifier: Apache-2.0
"""A journald of the test's own: one command in a private mount namespace, whose journal is then read."""

import json
import os
import subprocess

SCRIPT = r"""
set -eu
journal=$0
mount -t tmpfs tmpfs /run/systemd
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal /var/log/journal
mount -t tmpfs tmpfs /run/log/journal
mount --bind "$journal" /var/log/journal
mkdir -p "/var/log/journal/$(cat /etc/machine-id)"
printf '[Journal]\nStorage=persistent\nReadKMsg=no\nAudit=no\nRateLimitIntervalSec=0\n' \
    > /run/systemd/journald.conf.d/test.conf
/lib/systemd/systemd-journald &
journald=$!
i=0
while [ ! -S /run/systemd/journal/socket ] || [ ! -S /run/systemd/journal/stdout ]; do
    i=$((i + 1))
    [ $i -lt 500 ] || exit 125
    sleep 0.02
done
journalctl --flush
rc=0
"$@" || rc=$?
journalctl --sync
kill $journald
wait $journald || true
exit $rc
"""


class Journal:
    def __init__(self, directory):
        self.directory = str(directory)
        os.makedirs(self.directory)

    def wrap(self):
        """The words to put before a command, so that it runs with this journald (Idsyncd.run(wrap=…))."""
        return ["unshare", "--mount", "--propagation", "private", "bash", "-c", SCRIPT, self.directory]

    def entries(self, **match):
        """The entries, oldest first, as dictionaries."""
        words = [f"{name}={value}" for name, value in match.items()]
        output = subprocess.run(["journalctl", f"--directory={self.directory}", "--output=json", "--all", *words],
                                check=True, capture_output=True, text=True).stdout
        return [json.loads(line) for line in output.splitlines()]
