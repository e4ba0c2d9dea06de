# SPDX-License-Identifier: Apache-2.0
"""idsyncd as it is installed: "make install" into a container, with configuration and credentials in /etc/idsyncd."""

import json
import os
import shutil
import subprocess

from lib import confwrite
from lib.company import BIND_PASSWORD
from lib.daemon import directory_config, target_config
from lib.process import wait_for

UNIT = "idsyncd.service"
CONFIG = "/etc/idsyncd/idsyncd.conf"


class Service:
    def __init__(self, container, slapd, standin):
        self.container, self.slapd, self.standin = container, slapd, standin
        self.config = {"directory": directory_config(slapd) | {"ca_file": "/etc/idsyncd/ca.pem"},
                       "targets": [target_config(standin) | {"ca_file": "/etc/idsyncd/ca.pem"}],
                       "first_plan": "apply"}

    def install(self):
        builddir = os.environ["IDSYNCD_BUILDDIR"]
        done = subprocess.run(["make", "-C", builddir, "install", f"DESTDIR={self.container.root}"], capture_output=True,
                              text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"make install: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        for command in (["systemd-sysusers"], ["systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/idsyncd.conf"],
                        ["journalctl", "--update-catalog"]):
            self.container.run(*command, check=True)
        shutil.copy(f"{self.slapd.ca}/ca.pem", f"{self.container.root}/etc/idsyncd/ca.pem")
        os.chmod(f"{self.container.root}/etc/idsyncd/ca.pem", 0o644)
        for name, secret in (("ldap-password", BIND_PASSWORD), ("umbrella-key", self.standin.key),
                             ("umbrella-secret", self.standin.secret)):
            self.container.write(f"/etc/idsyncd/credentials/{name}", secret + "\n", 0o600)
        # Short times, so that the test needn't wait: the unit's own are for the real thing.
        self.container.write(f"/etc/systemd/system/{UNIT}.d/test.conf",
                             "[Unit]\nStartLimitIntervalSec=0\n[Service]\nWatchdogSec=3s\nRestartSec=200ms\n")
        self.write_config()
        self.container.run("systemctl", "daemon-reload", check=True)

    def write_config(self, text=None):
        self.container.write(CONFIG, confwrite.settings(self.config) if text is None else text)

    def systemctl(self, verb, check=True):
        return self.container.run("systemctl", verb, UNIT, check=check)

    def get(self, *names):
        values = self.container.properties(UNIT, *names)
        return values[names[0]] if len(names) == 1 else values

    def wait(self, name, check, timeout=20):
        return self.container.wait_property(UNIT, name, check, timeout)

    def pid(self):
        return int(self.get("MainPID"))

    def processes(self):
        """{pid inside: {"Name": …, "Seccomp": …}} of the service."""
        found = {}
        group = self.get("ControlGroup")
        for pid in self.container.run("cat", f"/sys/fs/cgroup/unified{group}/cgroup.procs",
                                      f"/sys/fs/cgroup/systemd{group}/cgroup.procs").stdout.split():
            status = self.container.run("cat", f"/proc/{pid}/status")
            if status.returncode == 0:
                found[int(pid)] = dict(line.split(":\t", 1) for line in status.stdout.splitlines() if ":\t" in line)
        return found

    def journal(self, *words):
        """The entries of the unit that match, oldest first."""
        self.container.run("journalctl", "--sync")
        output = self.container.run("journalctl", f"--unit={UNIT}", "--output=json", "--all", "--no-pager", *words).stdout
        return [json.loads(line) for line in output.splitlines()]

    def wait_journal(self, *words, more_than=0, timeout=20):
        """The entries that match, once there are more than MORE_THAN."""
        return wait_for(lambda: len(found := self.journal(*words)) > more_than and found, timeout, f"journal {words}")
