# SPDX-License-Identifier: Apache-2.0
"""What the demo plays on: a directory, an API, the real binaries, a journal; and how it talks.

Servers and runners are those of ../integration/lib. Passwords and keys are made for each run; they stand in files of a
directory that nobody else may enter.
"""

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "integration"), os.path.join(HERE, "..", "standin")]

import certs                                            # noqa: E402
from lib import bus, company, daemon, directory, standin        # noqa: E402
from lib.process import end, spawn, wait_for            # noqa: E402

COLUMNS = 110
CODES = {0: "in step", 1: "differences remain", 6: "a plan is held"}
BOLD, GREEN, PLAIN = ("\033[1m", "\033[32m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class Lie(Exception):
    """Something that the demo was about to say isn't true."""


# --- talking ---

def say(text=""):
    print(textwrap.fill(" ".join(text.split()), COLUMNS), flush=True)


def shown(text, indent="    "):
    """Output of a program, as it is."""
    for line in text.rstrip("\n").splitlines():
        print(f"{indent}{line}", flush=True)


def command(*words):
    print(f"  {BOLD}${PLAIN} {shlex.join(words)}", flush=True)


def claim(true, text):
    """Say TEXT, and mean it."""
    if not true:
        raise Lie(text)
    print(f"  {GREEN}ok{PLAIN}  {text}", flush=True)


class Headings:
    def __init__(self):
        self.number, self.text, self.start = 0, "the start", time.monotonic()

    def __call__(self, text):
        self.number, self.text = self.number + 1, text
        print(f"\n{BOLD}{self.number}. {text}{PLAIN}  ({time.monotonic() - self.start:.0f} s)", flush=True)


heading = Headings()


# --- the programs ---

class Programs(daemon.Idsyncd):
    """The binaries with the log level of a production system. A command is shown without the options that say where
    configuration, state and credentials are; the wrapper "idsyncd" in the demo's directory has them too."""

    def _options(self):
        return [*super()._options()[:-1], "info"]

    def wrapper(self, path):
        lines = ["#!/bin/sh", "# idsyncd with this demo's configuration, state and credentials.",
                 f"IDSYNCD_LIBEXECDIR={shlex.quote(os.path.dirname(daemon.find_binary('idsyncd-directory')))}",
                 "export IDSYNCD_LIBEXECDIR",
                 f"exec {shlex.join([daemon.find_binary('idsyncd'), *self._options()])} \"$@\""]
        with open(path, "w") as out:
            out.write("\n".join(lines) + "\n")
        os.chmod(path, 0o700)

    def show(self, *words, code):
        """Run to the end, show its report and what it warns of, and insist on the exit code."""
        command("idsyncd", *words)
        result = self.run(*words)
        shown("".join(line for line in result.err.splitlines(True) if not line.startswith("info: ")) + result.out)
        claim(result.code == code, f"exit code {result.code}: {CODES[code]}")
        return result

    def start_in(self, journal):
        """The daemon, with its journal fields where JOURNAL collects them."""
        self.write()
        words = [*journal.wrap(), daemon.find_binary("idsyncd"), *self._options(), "--log-target", "journal"]
        process = daemon.Daemon(self, words, self._environment())
        self.daemons.append(process)
        self.outputs.append(process)
        return process.wait_ready()


class Journal:
    """A journald of our own, in a mount namespace of its own: nothing of it reaches the machine's. Root only."""

    SCRIPT = r"""
        set -eu
        mount --bind "$1" /etc/machine-id
        mount -t tmpfs tmpfs /run
        mount -t tmpfs tmpfs /var/log
        mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log /var/log/journal
        mount --bind "$0" /var/log/journal
        printf '[Journal]\nStorage=persistent\nReadKMsg=no\nAudit=no\nRateLimitIntervalSec=0\n' \
            > /run/systemd/journald.conf.d/demo.conf
        exec /lib/systemd/systemd-journald
        """
    # Of journald itself; where systemd runs, the machine's own has the same name.
    OURS = ("run/systemd/journald.conf.d/demo.conf", "run/systemd/journal/socket", "run/systemd/journal/io.systemd.journal")

    def __init__(self, home):
        self.directory = f"{home}/journal"
        machine = secrets.token_hex(16)     # many a container has none
        with open(f"{home}/machine-id", "w") as out:
            out.write(machine + "\n")
        os.makedirs(f"{self.directory}/{machine}", mode=0o755)
        with open(f"{home}/journald.log", "w") as log:
            self.process = spawn(["unshare", "--mount", "--propagation", "private", "sh", "-c", self.SCRIPT, self.directory,
                                  f"{home}/machine-id"],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        root = f"/proc/{self.process.pid}/root"
        wait_for(lambda: self.process.poll() is not None or all(os.path.exists(f"{root}/{name}") for name in self.OURS),
                 5, "a journald of our own")
        if self.process.poll() is not None:
            raise AssertionError("no journald of our own")
        self.ask("--flush")

    def wrap(self):
        return ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt"]

    def ask(self, what):
        subprocess.run([*self.wrap(), "journalctl", what], check=True, capture_output=True)

    def read(self, *words):
        self.ask("--sync")
        found = subprocess.run(["journalctl", f"--directory={self.directory}", "--no-pager", "--quiet", *words],
                               check=True, capture_output=True, text=True)
        return found.stdout

    def log(self):
        return self.read("--output=cat", "SYSLOG_IDENTIFIER=idsyncd")


# --- the whole ---

class Stage:
    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="idsyncd-demo-")
        self.slapd = self.standin = self.programs = self.journal = self.bus = None

    def open(self, people):
        for module, name in ((directory, "ADMIN_PASSWORD"), (directory, "CONFIG_PASSWORD"), (company, "BIND_PASSWORD"),
                             (standin, "KEY"), (standin, "SECRET")):
            setattr(module, name, secrets.token_hex(12))
        self.password_file = self.file("admin-password", directory.ADMIN_PASSWORD)
        ca = certs.make_all(f"{self.home}/ca")
        self.slapd = directory.Slapd(f"{self.home}/slapd", ca)
        self.slapd.load(people)
        self.slapd.start()
        self.standin = standin.StandIn(f"{self.home}/standin", ca)
        self.programs = Programs(f"{self.home}/idsyncd", self.slapd, self.standin, first_plan="hold")
        self.programs.credentials["ldap-password"] = company.BIND_PASSWORD
        self.programs.write()
        self.programs.wrapper(f"{self.home}/idsyncd.sh")
        if os.geteuid() == 0:
            self.bus = bus.Bus().start()
            self.programs.environment["DBUS_SYSTEM_BUS_ADDRESS"] = self.bus.address

    def file(self, name, text):
        path = f"{self.home}/{name}"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(text)
        return path

    # --- the directory ---

    def ldap_words(self, program, path):
        return [program, "-x", "-H", self.slapd.ldaps, "-D", directory.ADMIN_DN, "-y", self.password_file, "-f", path]

    def ldap(self, program, name, text, quiet=False):
        """Write TEXT to a file and give it to ldapadd or ldapmodify, as anybody would; shown without server and password."""
        words = self.ldap_words(program, self.file(name, text))
        command(program, "-f", name)
        if not quiet:
            shown(text, "    | ")
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={"PATH": os.environ["PATH"], "LDAPTLS_CACERT": f"{self.slapd.ca}/ca.pem"})
        if done.returncode != 0:
            raise Lie(f"{program} succeeds: {done.stderr}")

    # --- the API ---

    def writes(self, since=0):
        """Calls that would change something at the API."""
        return [call for call in self.standin.ledger(since=since)
                if call["method"] != "GET" and not call["path"].endswith("/token")]

    def last_call(self):
        return max((call["seq"] for call in self.standin.ledger()), default=0)

    def secrets(self):
        return [directory.ADMIN_PASSWORD, company.BIND_PASSWORD, standin.SECRET, *self.standin.passwords()]

    # --- the operator ---

    def ctl(self, *words, code=0, quiet=False):
        """idsyncctl on the demo's own bus; insists on the exit code."""
        result = self.bus.ctl(*words)
        if not quiet:
            command("idsyncctl", *words)
            shown(result.out + result.err)
        claim(result.code == code, f"exit code {result.code}: {CODES[code] if code else 'done'}")
        return result

    # --- the end ---

    def open_journal(self):
        """True if the rest of the demo has a journal of its own."""
        try:
            self.journal = Journal(self.home) if os.geteuid() == 0 else None
        except (AssertionError, OSError, subprocess.CalledProcessError):
            self.journal = None
        return self.journal is not None

    def last_words(self):
        """For somebody who asks why the demo failed."""
        for runner in self.programs.daemons[-1:] if self.programs else ():
            print("--- the daemon's last lines:")
            shown("\n".join(runner.log().splitlines()[-15:]))
        if self.journal:
            shown("\n".join(self.journal.log().splitlines()[-15:]))

    def close(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for part in (self.programs, self.bus, self.standin, self.slapd):
            if part:
                part.cleanup()
        if self.journal:
            end(self.journal.process)
        shutil.rmtree(self.home, ignore_errors=True)


def call_line(call):
    body = call["body"] if isinstance(call["body"], dict) else {}
    answer = call["status"] if call["answered"] else "done, but its answer reached nobody"
    return f"{time.strftime('%H:%M:%S', time.localtime(call['wall']))}  {call['method']:6} {call['path']:24} " \
           f"{body.get('email', ''):22} {answer}"
