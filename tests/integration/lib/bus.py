# SPDX-License-Identifier: Apache-2.0
"""A private system bus with the shipped policy, and idsyncctl on it as root, as a member of the group, as a stranger."""

import json
import os
import shutil
import subprocess
import tempfile

from .daemon import Result, find_binary
from .process import end, scaled, spawn, wait_for

POLICY = os.path.join(os.path.dirname(__file__), "../../../systemd/org.idsyncd1.conf")
# dbus-daemon looks users up: "daemon" and "nobody" are on every machine. The former's group stands in for idsync.
MEMBER, GROUP, STRANGER = 1, 1, 65534
AS_MEMBER = ["setpriv", f"--reuid={MEMBER}", f"--regid={MEMBER}", f"--groups={GROUP}"]
AS_STRANGER = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""


class Bus:
    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="idsync-bus-")      # short, and others may pass
        os.chmod(self.home, 0o755)
        self.address = f"unix:path={self.home}/bus"
        self.process = None
        with open(POLICY) as source:
            policy = source.read()
        # The group and the service's user exist where idsyncd is installed; here their numbers stand in.
        assert 'group="idsync"' in policy and 'user="idsyncd"' in policy
        policy = policy.replace('group="idsync"', f'group="{GROUP}"').replace('user="idsyncd"', 'user="2"')
        self._write("policy.conf", policy)
        self._write("bus.conf", CONFIG.format(socket=f"{self.home}/bus", policy=f"{self.home}/policy.conf"))

    def _write(self, name, text):
        with open(f"{self.home}/{name}", "w") as out:
            out.write(text)

    def start(self):
        with open(f"{self.home}/log", "a") as log:
            self.process = spawn(["dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
                                  f"--config-file={self.home}/bus.conf"],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: os.path.exists(f"{self.home}/bus"), 10, "the bus")
        return self

    def stop(self):
        end(self.process)
        if os.path.exists(f"{self.home}/bus"):
            os.unlink(f"{self.home}/bus")

    def cleanup(self):
        end(self.process)
        shutil.rmtree(self.home, ignore_errors=True)

    def run_as(self, who, *command):
        """WHO: "root", "member" (of the group) or "stranger"."""
        become = {"root": [], "member": AS_MEMBER, "stranger": AS_STRANGER}[who]
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        env |= {name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
        done = subprocess.run([*become, *command], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=scaled(60), check=False, cwd="/")
        return Result(command, done.returncode, done.stdout, done.stderr, 0)

    def ctl(self, *words, who="root", expect=None):
        """idsyncctl. What others run must be where they can reach it."""
        program = f"{self.home}/idsyncctl"
        if not os.path.exists(program):
            shutil.copy(find_binary("idsyncctl"), program)
        result = self.run_as(who, program, *words)
        assert expect is None or result.code == expect, f"idsyncctl {words} as {who}: expected exit {expect}: {result}"
        return result

    def ask(self, *words, who="root", expect=None):
        """The same with --json: the document."""
        return json.loads(self.ctl(*words, "--json", who=who, expect=expect).out)


def compared(bus, state=None):
    """Waits until the targets were compared (and the first has that state); the status."""
    def check():
        doc = bus.ask("status")
        target = doc["targets"][0]
        idle = doc["directory"]["state"] == "complete" and not doc["cycle_running"] and target["state"] != "unknown"
        return doc if idle and state in (None, target["state"]) else None
    return wait_for(check, 15, f"a comparison {state or ''}", every=0.1)


def sync(bus, state=None, *options):
    """A whole cycle, begun now; the status after it."""
    before = bus.ask("status")["cycle"]
    bus.ctl("sync", *options, expect=0)
    wait_for(lambda: (doc := bus.ask("status"))["cycle"] > before and not doc["cycle_running"], 15, "a cycle", every=0.1)
    return compared(bus, state)


def wait_done(bus, number, kind="create"):
    """Waits until so many actions of that kind are done; these."""
    def check():
        done = [a for a in bus.ask("history")["actions"] if a["action"] == kind and a["state"] == "done"]
        return len(done) >= number and done
    return wait_for(check, 20, f"{number} × {kind}", every=0.1)


def writes(standin):
    return [c for c in standin.calls() if c["method"] != "GET" and not c["path"].endswith("/token")]
