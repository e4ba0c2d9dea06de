# SPDX-License-Identifier: Apache-2.0
"""The stand-in API as a process of the test, and a client of its control interface (../../standin)."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from .process import Distant, end, scaled, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
NURSERY = os.path.normpath(f"{HERE}/../../standin/nursery.py")
ORGANIZATION = 1000001
KEY = "test-key-73f1"
SECRET = "tell-nobody-secret-2207"
COMPANY = {"id": "1", "name": "example", "displayName": "Example Ltd", "type": "Company"}
P6, UNIFIER, ANALYTICS = APPLICATIONS = ["P6Production", "PrimaveraUnifierProduction", "AnalyticsProduction"]
FAULT_KEYS = ("name", "method", "path", "at", "skip", "count", "probability", "organization", "key", "seed")

# What in a path names an account or a job.
ACCOUNT = re.compile(r"/\d+(?=$|/draft$|/log$)|(?<=/v3/user)/(?!status/|change-|manual-reset-pwd/|auto-reset-pwd$)[^/]+")


def default_state(api="umbrella"):
    if api == "primavera":
        return {"companies": [COMPANY], "applications": APPLICATIONS, "keys": [{"key": KEY, "secret": SECRET}]}
    return {"organizations": [{"id": ORGANIZATION, "name": "Example"}],
            "keys": [{"key": KEY, "secret": SECRET, "organization": ORGANIZATION}]}


class Nursery:
    """The process of which the stand-ins of this one are forks (../../standin/nursery.py). It ends with its channel."""

    lock = threading.Lock()
    channel = None

    @classmethod
    def start(cls, config, ready, log):
        with cls.lock:
            if cls.channel is None:
                cls.channel, theirs = socket.socketpair()
                with theirs:
                    subprocess.Popen([sys.executable, "-B", NURSERY, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                                     stdin=subprocess.DEVNULL, start_new_session=True)
            socket.send_fds(cls.channel, [config.encode()], [ready, log])
            return Distant(int(cls.channel.recv(20)))


class StandIn:
    """Keyword settings are those of the stand-in's configuration: api, state, quirks, switches. The published
    rate limits are off unless `limits` is true. A request that breaks the contract fails the test in the end,
    unless `allow_violations` was set."""

    def __init__(self, home, ca, limits=False, **config):
        self.home = str(home)
        os.makedirs(self.home, exist_ok=True)
        self.ca = str(ca)
        self.allow_violations = False
        self.broken = []                    # violations that stood in a ledger which was cleared since
        self.key, self.secret = KEY, SECRET
        self.ledger_path = f"{self.home}/ledger.jsonl"
        self.api = config.get("api", "umbrella")
        config = {"ca_dir": self.ca, "ledger": self.ledger_path, "state": default_state(self.api), **config}
        if not limits:
            config.setdefault("switches", {}).setdefault("limits", {})["enforce"] = False
        self.tenant = config.get("quirks", {}).get("tenant", "")
        with open(f"{self.home}/standin.json", "w") as out:
            json.dump(config, out)
        self._start()

    def _start(self):
        reading, writing = os.pipe()
        with os.fdopen(reading) as ready, open(f"{self.home}/standin.log", "a") as log:
            self.process = Nursery.start(f"{self.home}/standin.json", writing, log.fileno())
            os.close(writing)
            line = ready.readline()
        if not line:
            raise AssertionError(f"the stand-in doesn't start: {self.log()}")
        facts = json.loads(line)
        self.url, self.control_url, self.elsewhere_url = facts["url"], facts["control"], facts["elsewhere"]

    def log(self):
        with open(f"{self.home}/standin.log") as source:
            return source.read()

    def cleanup(self):
        if self.process.poll() is None:
            self._remember()
        end(self.process)

    # --- the control interface: every verb is a method too, see README.md of the stand-in ---

    def control(self, verb, **arguments):
        request = urllib.request.Request(f"{self.control_url}/{verb}", json.dumps(arguments).encode())
        try:
            with urllib.request.urlopen(request, timeout=scaled(60)) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"stand-in, {verb}: {error.read().decode()}") from None

    def __getattr__(self, verb):
        if verb.startswith("_"):
            raise AttributeError(verb)
        return lambda **arguments: self.control(verb, **arguments)

    def _remember(self):
        if not self.allow_violations:
            self.broken += self.violations()

    def clear_ledger(self):
        self._remember()
        return self.control("clear_ledger")

    def reset(self):
        self._remember()
        return self.control("reset")

    def fault(self, kind, **settings):
        """fault("status", code=503, method="POST", path="/users$", count=2): see standin/faults.py."""
        spec = {name: settings.pop(name) for name in FAULT_KEYS if name in settings}
        return self.control("fault", do={"kind": kind, **settings}, **spec)

    def users(self, organization=None):
        """The accounts, at Primavera without those that are keys."""
        where = {} if organization is None else {"organization": organization}
        return [a for a in self.control("accounts", **where) if not a.get("own")]

    def emails(self, organization=None):
        return sorted(a["email"] for a in self.users(organization))

    def account(self, email, organization=None):
        """The account with this address, or None."""
        return next((a for a in self.users(organization) if a["email"].casefold() == email.casefold()), None)

    # --- Primavera only ---

    def user(self, login):
        """The user with this login (a key's too), or None."""
        return next((a for a in self.control("accounts") if a["loginId"].casefold() == login.casefold()), None)

    def roles(self, login):
        """The names of this user's applications, sorted."""
        return sorted(role["name"] for role in self.user(login)["roles"])

    def job(self, number=None):
        """The job with this number, or the newest, or None."""
        found = [job for job in self.control("jobs") if number in (None, job["number"])]
        return found[-1] if found else None

    # --- the ledger ---

    def calls(self, method=None, path="", status=None):
        """The ledger's entries with this method and status, and a path in which the expression PATH is found."""
        return [call for call in self.control("ledger")
                if method in (None, call["method"]) and re.search(path, call["path"])
                and status in (None, call["status"])]

    def counts(self):
        """{"POST /admin/v2/users": 3, …}, numbers and logins as {id}."""
        found = {}
        for call in self.control("ledger"):
            name = call["method"] + " " + ACCOUNT.sub("/{id}", call["path"])
            found[name] = found.get(name, 0) + 1
        return found

    def wait_calls(self, number, method=None, path="", timeout=10):
        return wait_for(lambda: len(found := self.calls(method, path)) >= number and found, timeout,
                        f"{number} calls of {method} {path}")

    def wait_job(self, state="done", number=None, timeout=10):
        """The newest job, or the one with this number, once it is in STATE."""
        return wait_for(lambda: (job := self.job(number)) and job["state"] == state and job, timeout,
                        f"a job that is {state}")

    def wait_emails(self, emails, timeout=10, organization=None):
        wanted = sorted(emails)
        return wait_for(lambda: self.emails(organization) == wanted, timeout, f"accounts {wanted}")

    def violations(self):
        return [f"{c['method']} {c['path']}: {c['violation']}" for c in self.control("ledger") if c["violation"]]
