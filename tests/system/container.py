# SPDX-License-Identifier: Apache-2.0
"""A booted systemd: systemd-nspawn over a throw-away overlay of this machine's own root, with the host's network, so that
servers of the test on 127.0.0.1 can be reached. None of the machine's own services is started in it."""

import os
import shutil
import signal
import subprocess
import time

from lib.process import end, spawn, wait_for

HIERARCHIES = ("systemd", "unified")


class Unavailable(Exception):
    """This machine can't boot one; the text says why."""


class Container:
    def __init__(self, workdir):
        self.workdir = str(workdir)
        self.name = f"idsync-{os.getpid()}"
        self.root = f"{self.workdir}/root"
        self.log_path = f"{self.workdir}/boot.log"
        self.process = None
        self.mounted = []
        self.cgroups = []

    # --- life ---

    def boot(self, timeout=60):
        if os.geteuid() != 0:
            raise Unavailable("needs root")
        for program in ("systemd-nspawn", "nsenter"):
            if not shutil.which(program):
                raise Unavailable(f"no {program}")
        self._mount()
        self._prepare()
        self._launch()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if self.leader() and self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"):
                return self
            time.sleep(0.1)
        with open(self.log_path, errors="replace") as log:
            raise Unavailable(f"systemd doesn't boot here: {log.read()[-1000:]}")

    def _mount(self):
        layers = f"{self.workdir}/layers"
        try:
            os.makedirs(layers)
            os.makedirs(self.root)
            self._call("mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", layers)
            self.mounted.append(layers)
            os.mkdir(f"{layers}/upper")
            os.mkdir(f"{layers}/work")
            self._call("mount", "-t", "overlay", "overlay", "-o",
                       f"lowerdir=/,upperdir={layers}/upper,workdir={layers}/work", self.root)
            self.mounted.append(self.root)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Unavailable(f"no overlay of the root file system: {error}") from None

    @staticmethod
    def _call(*command):
        subprocess.run(command, check=True, capture_output=True, text=True)

    def _prepare(self):
        """A bare system: what an administrator enabled on this machine stays off."""
        units = f"{self.root}/etc/systemd/system"
        for name in os.listdir(units):
            if name.endswith((".wants", ".requires")):
                shutil.rmtree(f"{units}/{name}")
        for name in ("default.target",):
            if os.path.lexists(f"{units}/{name}"):
                os.unlink(f"{units}/{name}")
            os.symlink("/lib/systemd/system/multi-user.target", f"{units}/{name}")
        for name in ("systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service", "getty.target",
                     "systemd-logind.service", "cron.service"):
            if not os.path.lexists(f"{units}/{name}"):
                os.symlink("/dev/null", f"{units}/{name}")
        os.makedirs(f"{self.root}/etc/systemd/journald.conf.d", exist_ok=True)
        self.write("/etc/systemd/journald.conf.d/test.conf",
                   "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\n")

    def _launch(self):
        for hierarchy in HIERARCHIES:
            path = f"/sys/fs/cgroup/{hierarchy}/{self.name}"
            if os.path.isdir(os.path.dirname(path)):
                os.makedirs(path, exist_ok=True)
                self.cgroups.append(path)
        # In a cgroup of its own, or nspawn leaves its groups in the root of the hierarchy.
        enter = "".join(f"echo $$ > {path}/cgroup.procs; " for path in self.cgroups)
        with open(self.log_path, "w") as log:
            self.process = spawn(
                ["/bin/sh", "-c", enter + 'exec "$@"', "sh", "systemd-nspawn", "--quiet", f"--directory={self.root}",
                 "--boot", "--keep-unit", "--register=no", f"--machine={self.name}", "--link-journal=no",
                 "--resolv-conf=off", "--timezone=off", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def leader(self):
        """The container's PID 1, as the host sees it."""
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as source:
                found = source.read().split()
        except FileNotFoundError:
            return None
        return found[0] if found else None

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            leader = self.leader()
            if leader:
                os.kill(int(leader), signal.SIGRTMIN + 4)       # power off
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                pass
        end(self.process)
        for path in reversed(self.mounted):
            subprocess.run(["umount", "--lazy", path], check=False)
        for path in self.cgroups:
            for folder, _, _ in os.walk(path, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass

    # --- inside ---

    def run(self, *command, check=False, timeout=60, given=""):
        """Runs a command inside, as root, with GIVEN as its input; stdout and stderr are text."""
        result = subprocess.run(
            ["nsenter", "-t", self.leader() or "0", "-m", "-u", "-i", "-n", "-p", "-C", "--", *command],
            input=given, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
        assert not check or result.returncode == 0, f"{command}: exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def write(self, path, text, mode=0o644):
        path = f"{self.root}{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as out:
            out.write(text)
        os.chmod(path, mode)

    def properties(self, unit, *names):
        output = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names), check=True).stdout
        return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)

    def wait_property(self, unit, name, check, timeout=20):
        return wait_for(lambda: check(self.properties(unit, name)[name]) and (self.properties(unit, name)[name],),
                        timeout, f"{unit}: {name}")[0]
