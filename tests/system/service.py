# SPDX-License-Identifier: Apache-2.0
"""idsyncd as README.md has it installed: in a container, with configuration and credentials in /etc/idsyncd."""

import json
import os
import shutil
import subprocess

import documents
from lib import confwrite
from lib.company import BIND_PASSWORD
from lib.daemon import directory_config, target_config
from lib.process import wait_for

UNIT = "idsyncd.service"
CONFIG = "/etc/idsyncd/idsyncd.conf"
CA = "/etc/idsyncd/ca.pem"


class Service:
    def __init__(self, container, slapd, standin):
        self.container, self.slapd, self.standin = container, slapd, standin
        self.secrets = {"ldap-password": BIND_PASSWORD, "umbrella-key": standin.key, "umbrella-secret": standin.secret}
        self.config = {"directory": directory_config(slapd) | {"ca_file": CA},
                       "targets": [target_config(standin) | {"ca_file": CA}], "first_plan": "apply"}

    def make(self, what):
        """Outside: the container may not see the build directory."""
        done = subprocess.run(["make", "-C", os.environ["IDSYNCD_BUILDDIR"], what, f"DESTDIR={self.container.root}"],
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"make {what}: {done.stdout[-2000:]}{done.stderr[-4000:]}"

    def shell(self, line, code=0):
        """A command as the documents have it, by root; where it reads a secret it is given the one of that name."""
        if line.startswith("make "):
            return self.make(line.removeprefix("make "))
        secret = self.secrets.get(os.path.basename(line), "") + "\n"
        done = self.container.run("bash", "-c", f'sudo() {{ "$@"; }}; {line}', given=secret)
        assert done.returncode == code, f"{line}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
        return done.stdout

    def install(self):
        """All that README.md says, up to the sample configuration; the steps that look and let go, which are left."""
        steps = documents.readme("Install it")
        built = steps.index("../../configure && make && sudo make install") + 1
        first_look = steps.index("sudo idsyncd --check-config")
        self.make("install")
        for line in steps[built:first_look]:
            self.shell(line)
        shutil.copy(f"{self.slapd.ca}/ca.pem", f"{self.container.root}{CA}")
        os.chmod(f"{self.container.root}{CA}", 0o644)
        return steps[first_look:]

    def configure(self):
        """Short times, so that the tests needn't wait: the unit's own are for the real thing."""
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
