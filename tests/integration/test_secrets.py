# SPDX-License-Identifier: Apache-2.0
"""No secret where it doesn't belong: looked for while the service runs and after it, at debug level."""

import base64
import json
import os
import subprocess
import threading
import time
from urllib.parse import quote

import pytest

from lib.company import BIND_PASSWORD, Person
from lib.daemon import find_secrets
from lib.process import children


def forms(secret):
    """A secret as it is, and as it may look on the wire."""
    raw = secret.encode()
    found = {secret, quote(secret), base64.b64encode(raw).decode(), raw.hex(), json.dumps(secret)[1:-1]}
    return [form for form in found if len(form) >= 8]


def basic(standin):
    return base64.b64encode(f"{standin.key}:{standin.secret}".encode()).decode()


def everything(runner, pids=()):
    """Where anything of us may be left: state, home but for the credentials themselves, /proc."""
    files = [os.path.join(place, name) for place, _, names in os.walk(runner.home) for name in names
             if not place.startswith(runner.credentials_dir)]
    return files, [pid for pid in pids]


class Watch(threading.Thread):
    """Looks at command lines, environments and open files of the daemon and its readers, as long as it lives."""

    def __init__(self, pid, secrets):
        super().__init__(daemon=True)
        self.pid, self.secrets, self.found, self.seen, self.over = pid, secrets, [], set(), False

    def run(self):
        while not self.over:
            for pid in [self.pid, *children(self.pid)]:
                self.seen.add(pid)
                try:
                    self.found += find_secrets(self.secrets, pids=[pid])
                except (PermissionError, ProcessLookupError, OSError):
                    pass
            time.sleep(0.005)


@pytest.mark.parametrize("trouble", [False, True])
def test_no_secret_anywhere(idsyncd, slapd, standin, company, trouble):
    """With everything that can go wrong, so that error paths speak too."""
    standin.set_state(organizations=[{"id": 1000001, "name": "Example", "former": [company.people[4].email]}],
                      foreign=[company.people[5].email])
    idsyncd.target["timeout"] = "1s"
    if trouble:
        for kind, settings in [("garbage", {}), ("truncate", {}), ("stall", {}), ("reset", {"execute": True}),
                               ("status", {"code": 500}), ("status", {"code": 400, "body": {"message": "no"}}),
                               ("deep", {}), ("duplicate-keys", {})]:
            standin.fault(kind, method="POST", path="/users$", **settings)
        for kind in ("truncate", "garbage", "html"):
            standin.fault(kind, path="/token$")
    secrets = [*forms(BIND_PASSWORD), *forms(standin.secret), basic(standin)]
    daemon = idsyncd.start()
    watch = Watch(daemon.pid, [s.encode() for s in secrets])
    watch.start()
    daemon.wait_for(lambda: len(standin.emails()) >= 8, 30, "most creates")
    slapd.add_person(Person("later"), "umbrella")
    daemon.wait_for(lambda: standin.account("later@example.com"), 20, "a later create")
    if trouble:
        idsyncd.credentials["ldap-password"] = "wrong-bind-password-3301"
        daemon.reload()
        daemon.wait_log("ldap=49", 10)
        secrets += forms("wrong-bind-password-3301")
    passwords = standin.control("passwords")
    assert len(passwords) >= 9 and all(len(p) >= 16 for p in passwords)
    for password in passwords:
        secrets += forms(password)
    for live in (True, False):
        files, pids = everything(idsyncd, [daemon.pid, *children(daemon.pid)] if live else [])
        names = {os.path.basename(f) for f in files}
        assert "idsyncd.db" in names and (not live or {"idsyncd.db-wal", "idsyncd.db-shm"} <= names), names
        assert find_secrets(secrets, [daemon.log()], files, pids) == []
        if live:
            # also what a token looks like: a run of its letters as long as only a token is
            assert not long_runs(daemon.log()), long_runs(daemon.log())
            for name in ("idsyncd.db", "idsyncd.db-wal"):
                with open(f"{idsyncd.state}/{name}", "rb") as data:
                    assert b"eyJ" not in data.read()
            assert daemon.terminate() == 0
    watch.over = True
    watch.join()
    assert watch.found == [] and len(watch.seen) > 1, "the readers were looked at, too"
    assert standin.key not in daemon.log()


def long_runs(text):
    return [word[:40] for word in text.split() if len(word) > 400]


def test_key_isn_t_in_the_database(idsyncd, standin):
    """Budgets and parking are kept under a hash."""
    idsyncd.once(expect=0)
    assert find_secrets([standin.key], files=idsyncd.state_files()) == []


def test_not_dumpable(idsyncd, standin):
    daemon = idsyncd.start()
    with open(f"/proc/{daemon.pid}/limits") as limits:
        core, = [line for line in limits if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]
    if os.geteuid() == 0:       # files of a process that isn't dumpable belong to root, and others may not look
        look = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                "cat", f"/proc/{daemon.pid}/environ"]
        done = subprocess.run(look, capture_output=True)
        assert done.returncode != 0 and done.stdout == b""
    assert daemon.terminate() == 0


def test_reports_hold_no_password(idsyncd, standin):
    keys = f"{idsyncd.home}/keys-of-tls"        # where TLS libraries would write down what opens the traffic
    for arguments in (["--once", "--json"], ["--once"], ["--once", "--dry-run", "--json"]):
        idsyncd.run(*arguments, env={"SSLKEYLOGFILE": keys})
    assert not os.path.exists(keys)
    passwords = standin.control("passwords")
    assert len(passwords) == 10
    assert find_secrets(passwords, idsyncd.texts(), idsyncd.state_files()) == []


def test_hostile_answer_that_repeats_the_request(idsyncd, standin):
    """An API (or a proxy) that sends our own body and token back: still nothing of it in the log."""
    standin.fault("status", code=400, method="POST", path="/users$", count=3,
                  body={"message": "bad", "request": {"password": "p4ssw0rd-that-was-echoed"},
                        "token": "eyJ-an-echoed-token"})
    result = idsyncd.once()
    assert "p4ssw0rd" not in result.err + result.out and "echoed" not in result.err + result.out
