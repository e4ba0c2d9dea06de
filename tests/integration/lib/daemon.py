# SPDX-License-Identifier: Apache-2.0
"""Runs the real binaries: configuration, credentials and state in a directory of the test."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time

from . import confwrite
from .company import BIND_DN, BIND_PASSWORD, PEOPLE, group_dn
from .notify import NotifySocket
from .process import cpu_seconds, end, pss_bytes, scaled, spawn, wait_for
from .standin import COMPANY, P6, UNIFIER

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: MemorySanitizer|assertion .* failed", re.I)


def find_binary(name):
    """In $IDSYNCD_BUILDDIR, or in the usual place of a program below it."""
    builddir = os.environ.get("IDSYNCD_BUILDDIR")
    if not builddir:
        raise AssertionError("set IDSYNCD_BUILDDIR to the directory where make ran")
    for place in ("", "daemon/", "daemon/reader/", "ctl/"):
        path = os.path.abspath(f"{builddir}/{place}{name}")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise AssertionError(f"no {name} in {builddir}")


class Result:
    """What a finished run left: code, out, err, seconds, and json (parsed on demand)."""

    def __init__(self, command, code, out, err, seconds):
        self.command, self.code, self.out, self.err, self.seconds = command, code, out, err, seconds

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"no JSON document on standard output: {self}") from None

    def target(self, name=None):
        """The target with this NAME; without one the only target, or the one that is called umbrella."""
        targets = self.json["targets"]
        return targets[0] if name is None and len(targets) == 1 else next(
            t for t in targets if t["name"] == (name or "umbrella"))

    def actions(self, kind=None, target=None):
        return [a for a in self.target(target)["actions"] if kind in (None, a["action"])]

    def __repr__(self):
        return f"exit {self.code} after {self.seconds:.2f} s\n--- out\n{self.out[-4000:]}\n--- err\n{self.err[-8000:]}"


class Idsyncd:
    """`config` is the configuration as nested Python values: change it at will, it is written before each run.
    `target` is the first target in it. `credentials` maps file names to contents."""

    def __init__(self, home, slapd=None, standin=None, **top):
        self.home = str(home)
        self.state = f"{self.home}/state"
        self.credentials_dir = f"{self.home}/credentials"
        self.config_path = f"{self.home}/idsyncd.conf"
        for path in (self.home, self.state, self.credentials_dir):
            os.makedirs(path, mode=0o700, exist_ok=True)
        self.credentials = {"ldap-password": BIND_PASSWORD}
        self.config = {"directory": directory_config(slapd), "targets": [], "first_plan": "apply", **top}
        if standin is not None:
            self.add_target(standin)
        self.environment = {}
        self.outputs = []       # paths and texts that must not hold secrets or sanitizer reports
        self.daemons = []

    @property
    def target(self):
        return self.config["targets"][0]

    def add_target(self, standin, **settings):
        """Configure STANDIN as a further target, with its credentials; the target, to be changed at will."""
        target = target_config(standin, **settings)
        self.credentials |= {target["key_credential"]: standin.key, target["secret_credential"]: standin.secret}
        self.config["targets"].append(target)
        return target

    def write(self):
        """Write configuration and credentials; done before each run."""
        with open(self.config_path, "w") as out:
            out.write(confwrite.settings(self.config))
        for name, text in self.credentials.items():
            path = f"{self.credentials_dir}/{name}"
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                out.write(text if isinstance(text, bytes) else text.encode())

    def _environment(self, extra=None):
        keep = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LLVM_PROFILE_FILE")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        env |= {"LANG": "C.UTF-8", "HOME": self.home, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.home}/no-bus",
                "IDSYNCD_LIBEXECDIR": os.path.dirname(find_binary("idsyncd-directory"))}
        return {**env, **self.environment, **(extra or {})}

    def _options(self):
        return ["--config", self.config_path, "--state", self.state, "--credentials", self.credentials_dir,
                "--log-level", "debug"]

    def run(self, *args, program="idsyncd", options=None, timeout=60, env=None, write=True, wrap=()):
        """Run to the end. OPTIONS: those before ARGS (default: config, state, credentials, debug log)."""
        if write:
            self.write()
        options = self._options() if options is None else options
        command = [*wrap, find_binary(program), *options, *args]
        start = time.monotonic()
        process = spawn(command, env=self._environment(env), stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=scaled(timeout))
        except subprocess.TimeoutExpired:
            end(process)
            out, err = process.communicate()
            raise AssertionError(f"{program} {args} didn't end in {scaled(timeout):g} s\n"
                                 f"{err.decode(errors='replace')[-8000:]}") from None
        result = Result(command, process.returncode, out.decode(errors="replace"),
                        err.decode(errors="replace"), time.monotonic() - start)
        self.outputs += [result.out, result.err]
        return result

    def once(self, *args, expect=None, **options):
        """--once --json; EXPECT: the exit code that it must have."""
        result = self.run("--once", "--json", *args, **options)
        assert expect is None or result.code == expect, f"expected exit {expect}: {result}"
        return result

    def reader(self, *args, **options):
        """idsyncd-directory --text."""
        return self.run("--text", *args, program="idsyncd-directory",
                        options=["--config", self.config_path, "--credentials", self.credentials_dir], **options)

    def start(self, *args, ready=True, env=None, watchdog=None, write=True, wrap=()):
        """The daemon; waits for READY=1 unless told not to."""
        if write:
            self.write()
        command = [*wrap, find_binary("idsyncd"), *self._options(), *args]
        daemon = Daemon(self, command, self._environment(env), watchdog)
        self.daemons.append(daemon)
        self.outputs.append(daemon)
        if ready:
            daemon.wait_ready()
        return daemon

    def age_links(self):
        """Every account became ours an hour earlier: one that isn't listed isn't just new any more."""
        with sqlite3.connect(f"{self.state}/idsyncd.db", timeout=10) as db:
            db.execute("UPDATE link SET since = since - 3600000000")

    def state_files(self):
        found = [os.path.join(place, name) for place, _, names in os.walk(self.state) for name in names]
        return sorted(path for path in found if os.path.isfile(path))

    def cleanup(self):
        for daemon in self.daemons:
            daemon.cleanup()

    def texts(self):
        return [item.log() if isinstance(item, Daemon) else item for item in self.outputs]

    def check_outputs(self, secrets=()):
        """No sanitizer report, no failed assertion, no secret in anything that was printed or kept."""
        for text in self.texts():
            report = SANITIZER.search(text)
            assert not report, text[max(0, report.start() - 200):report.start() + 6000]
        where = find_secrets([*secrets, *(c for n, c in self.credentials.items() if not n.endswith("-key"))],
                             self.texts(), self.state_files())
        assert not where, f"secrets found: {where}"


class Daemon:
    def __init__(self, owner, command, environment, watchdog=None):
        self.owner = owner
        self.notify = NotifySocket()
        environment["NOTIFY_SOCKET"] = self.notify.variable
        if watchdog is not None:
            environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        self.log_path = f"{owner.home}/daemon-{len(owner.daemons) + 1}.log"
        with open(self.log_path, "w") as log:
            self.process = spawn(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid

    def log(self):
        with open(self.log_path, errors="replace") as source:
            return source.read()

    def warnings(self):
        """Its lines of priority warning and above, but for what a busy machine without a bus adds."""
        return [line for line in self.log().splitlines() if line.startswith(("warning:", "err", "crit"))
                and "event loop was blocked" not in line and "the system bus" not in line]

    def _alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}\n{self.log()[-8000:]}")

    def wait_for(self, check, timeout=10, what=""):
        """As process.wait_for, but fails at once when the daemon has died."""
        return wait_for(lambda: self._alive() or check(), timeout, what)

    def wait_ready(self, timeout=20):
        self.wait_for(lambda: self.notify.last("READY") == "1", timeout, "READY=1")
        return self

    def wait_status(self, pattern, timeout=10, since=0.0):
        self._alive()
        return self.notify.wait("STATUS", lambda text: re.search(pattern, text), timeout, since)

    def wait_log(self, pattern, timeout=10):
        return self.wait_for(lambda: re.search(pattern, self.log()), timeout, f"{pattern!r} in the daemon's log")

    def reload(self):
        """SIGHUP with the configuration as it is now; doesn't wait."""
        self.owner.write()
        self.process.send_signal(signal.SIGHUP)

    def terminate(self, timeout=20):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(scaled(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end after SIGTERM\n{self.log()[-4000:]}") from None

    def kill(self):
        """kill -9 for the daemon alone: its reader has to notice by itself."""
        self.process.kill()
        self.process.wait(scaled(5))

    def cpu(self):
        return cpu_seconds(self.pid)

    def pss(self):
        return pss_bytes(self.pid)

    def cleanup(self):
        end(self.process)
        self.notify.close()


def directory_config(slapd):
    return {"uris": [slapd.ldaps] if slapd else ["ldaps://127.0.0.1:1"],
            "ca_file": f"{slapd.ca}/ca.pem" if slapd else "/etc/ssl/certs/ca-certificates.crt",
            "bind": {"method": "simple", "dn": BIND_DN, "password_credential": "ldap-password"},
            "people": {"base": PEOPLE, "filter": "(objectClass=inetOrgPerson)"},
            "timeout": "10s", "poll_interval": "1s"}


def target_config(standin, name=None):
    """Umbrella: the groups umbrella and umbrella-admins. Primavera: primavera, primavera-unifier (see Company)."""
    if standin.api == "primavera":
        own = primavera_config(standin)
    else:
        own = {"key_credential": "umbrella-key", "secret_credential": "umbrella-secret",
               "groups": [group_dn("umbrella")],
               "roles": [{"group": group_dn("umbrella-admins"), "role": "Full Admin"}, {"role": "Read Only"}]}
    default = "primavera" if standin.api == "primavera" else "umbrella"
    return {"name": name or default, "type": standin.api, "url": standin.url, "ca_file": f"{standin.ca}/ca.pem", **own,
            "rate": {"second": 1000, "minute": 60000, "half_hour": 1800000}, "timeout": "10s"}


def primavera_config(standin):
    """Everybody in primavera gets P6, who is in primavera-unifier Unifier too."""
    return {"key_credential": "primavera-key", "secret_credential": "primavera-secret", "tenant": standin.tenant or None,
            "groups": [group_dn("primavera")],
            "company": {"id": COMPANY["id"], "name": COMPANY["name"], "display_name": COMPANY["displayName"]},
            "applications": [{"group": group_dn("primavera"), "names": [P6]},
                             {"group": group_dn("primavera-unifier"), "names": [UNIFIER]}]}


def find_secrets(secrets, texts=(), files=(), pids=()):
    """Where any of SECRETS (text or bytes) is found: index of the text, file, or /proc file of a process."""
    wanted = [s if isinstance(s, bytes) else s.encode() for s in secrets]
    files = [*files, *(f"/proc/{pid}/{name}" for pid in pids for name in ("cmdline", "environ"))]
    places = [(f"output {n}", text.encode(errors="replace")) for n, text in enumerate(texts)]
    for path in files:
        try:
            with open(path, "rb") as source:
                places.append((path, source.read()))
        except FileNotFoundError:
            pass
        except PermissionError:
            # A process that isn't dumpable shows its environment to root alone.
            if os.geteuid() == 0 or not path.startswith("/proc/"):
                raise
    return [(place, wanted.index(secret)) for place, data in places for secret in wanted
            if secret and secret in data]
