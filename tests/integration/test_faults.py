# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on the wire and at the API: a clear line, no busy loop, recovery without a restart, nothing
removed, nothing created twice."""

import os
import re
import time

import pytest

from lib.company import BIND_DN, Person, group_dn
from lib.process import children, never
from lib.standin import ORGANIZATION

USERS = "/users$"

# name: (the fault on a listing or create, what the line must say). Each strikes one organisation of its own, once
# at the listing and once at a create; "done" below tells whether the create was carried out all the same.
LATE, CUT, BAD = "nothing came", "closed|reset|cut|Empty reply", "can't be read|success was told without"
FAULTS = {
    "500": ({"kind": "status", "code": 500}, "HTTP 500: a fault on command"),
    "500 done": ({"kind": "status", "code": 500, "execute": True}, "HTTP 500"),
    "502": ({"kind": "html", "code": 502}, "HTTP 502"),
    "502 done": ({"kind": "html", "code": 502, "execute": True}, "HTTP 502"),
    "503": ({"kind": "status", "code": 503}, "HTTP 503"),
    "503 with wait": ({"kind": "status", "code": 503, "retry_after": 1}, "HTTP 503"),
    "504 done": ({"kind": "status", "code": 504, "execute": True}, "HTTP 504"),
    "unheard of": ({"kind": "status", "code": 599, "reason": "No Such Thing"}, "HTTP 599"),
    "no json": ({"kind": "html", "code": 200, "execute": True}, BAD),
    "no content": ({"kind": "status", "code": 204, "execute": True}, "HTTP 204"),
    "null": ({"kind": "status", "code": 200, "body": "null", "execute": True}, BAD),
    "empty": ({"kind": "status", "code": 200, "body": "", "execute": True}, BAD),
    "number": ({"kind": "status", "code": 200, "body": "42", "execute": True}, BAD),
    "not ended": ({"kind": "status", "code": 200, "body": '[{"id": 1, "email": "', "execute": True}, BAD),
    "redirect": ({"kind": "redirect"}, "redirects are refused"),
    "redirect 302": ({"kind": "redirect", "code": 302}, "redirects are refused"),
    "redirect done": ({"kind": "redirect", "code": 303, "execute": True}, "redirects are refused"),
    "half": ({"kind": "truncate"}, CUT),
    "half, reset": ({"kind": "truncate", "how": "reset"}, CUT),
    "half, closed": ({"kind": "truncate", "how": "close"}, CUT),
    "half, no length": ({"kind": "no-length", "bytes": 1}, BAD),
    "too large": ({"kind": "huge", "size": 70 << 20, "execute": True}, "larger than|too large|more than"),
    "too large, in chunks": ({"kind": "huge", "size": 70 << 20, "chunked": True, "execute": True},
                             "larger than|too large|more than"),
    "deep": ({"kind": "deep", "execute": True}, BAD),
    "slow": ({"kind": "delay", "seconds": 6}, LATE),
    "half, silence": ({"kind": "stall"}, LATE),
    "half a head": ({"kind": "stall", "bytes": "head"}, LATE),
    "drip": ({"kind": "drip", "seconds": 0.2}, LATE),
    "reset": ({"kind": "reset"}, CUT),
    "reset done": ({"kind": "reset", "execute": True}, CUT),
    "closed": ({"kind": "close"}, CUT),
    "closed done": ({"kind": "close", "execute": True}, CUT),
    "garbage": ({"kind": "garbage"}, "HTTP"),
    "garbage done": ({"kind": "garbage", "execute": True}, "HTTP"),
}
# These look like answers and are none of ours to complain about, or are mended by a new token.
SILENT = {
    "401": {"kind": "status", "code": 401, "body": {"message": "Unauthorized request"}},
    "403": {"kind": "status", "code": 403, "body": {"message": "Forbidden"}},
    "expired": {"kind": "status", "code": 400, "body": {"error": "invalid_request"}},
    "no length": {"kind": "no-length"},
    "close after": {"kind": "close-after"},
    "slow but fine": {"kind": "drip", "seconds": 0.01, "bytes": 20},
}

THROTTLED = {
    "429": {"kind": "status", "code": 429, "retry_after": 1},
    "429 with a date": {"kind": "status", "code": 429, "retry_after": {"date": 2}},
}
KEYS = {name: f"api-key-{n:02}" for n, name in enumerate([*FAULTS, *SILENT, *THROTTLED], 1)}


def organizations():
    """An organisation with a key of its own for each fault: limits and parking are per key and per target."""
    numbered = list(enumerate(KEYS.values(), ORGANIZATION))
    return {"organizations": [{"id": number, "name": key} for number, key in numbered],
            "keys": [{"key": key, "secret": f"whisper {key[-2:]}", "organization": number}
                     for number, key in numbered]}


def place(key):
    """The target with that key, also the name of its group; keys are never shown."""
    return key.replace("api-key-", "place")


def staff():
    """Two people for each organisation, in a group of its own."""
    people = {place(key): [Person(f"{place(key)}-{n}", number=n) for n in (1, 2)] for key in KEYS.values()}
    return {"people": 0, "extra": [p for two in people.values() for p in two], "groups": people}


def created(standin, key):
    """The addresses whose POST was carried out: one that stands there twice was created twice."""
    return sorted(c["body"]["email"] for c in standin.calls("POST", USERS) if c["handled"] and c["key"] == key)


def lines(text, pattern):
    return [line for line in text.splitlines() if re.search(pattern, line)]


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.company(**staff())
@pytest.mark.standin(state=organizations())
def test_every_fault(idsyncd, standin):
    template = idsyncd.config["targets"].pop()
    for name, key in KEYS.items():
        idsyncd.credentials |= {f"{key}.key": key, f"{key}.secret": f"whisper {key[-2:]}"}
        idsyncd.config["targets"].append({
            **template, "name": place(key), "key_credential": f"{key}.key", "secret_credential": f"{key}.secret",
            "groups": [group_dn(place(key))], "roles": [{"role": "Read Only"}], "timeout": "2s"})
        do = dict(FAULTS[name][0] if name in FAULTS else SILENT.get(name) or THROTTLED[name])
        for method in ("GET", "POST"):
            standin.fault(method=method, path=USERS, key=key, **do)
    emails = {key: [f"{place(key)}-{n}@example.com" for n in (1, 2)] for key in KEYS.values()}
    daemon = idsyncd.start()

    def all_there():
        state = standin.state()["organizations"]
        return all(sorted(a["email"] for a in o["accounts"]) == emails[o["name"]] for o in state)
    daemon.wait_for(all_there, 60, "both accounts in every organisation")
    daemon.wait_for(lambda: len(lines(daemon.log(), ": create .*: done")) == 2 * len(KEYS), 30, "all known")
    log = daemon.log()
    assert daemon.terminate() == 0

    problems = []
    for name, key in KEYS.items():
        if created(standin, key) != emails[key]:
            problems.append(f"{name}: created {created(standin, key)}")
        said = [line for line in lines(log, f" {place(key)}: ")
                if line.startswith(("warning:", "notice:", "err")) and "still being listed" not in line]
        if name in FAULTS:
            # A connection that was used before and ends without a byte: libcurl reads again by itself.
            calls = ("create: ",) if FAULTS[name][0]["kind"] in ("reset", "close") else ("list: ", "create: ")
            problems += [f"{name}: no line about the {what}: {said}" for what in calls
                         if not [line for line in said if re.search(FAULTS[name][1], line) and what in line]]
        elif name in THROTTLED:
            problems += [f"{name}: {said}"] * (len(lines("\n".join(said), "429|no call under this key")) != 2)
        elif said:
            problems.append(f"{name}: {said}")
    assert not problems, "\n".join(problems)
    assert standin.elsewhere() == []        # a redirect is never followed
    assert all(fault["fired"] == 1 for fault in standin.faults()), standin.faults()
    assert "dead letter" not in log


def quiet(daemon, seconds, most):
    """The processor time of the daemon and its reader in the next SECONDS, which must be MOST at most."""
    before = daemon.cpu()
    time.sleep(seconds)
    used = daemon.cpu() - before
    assert used <= most, f"{used:.2f} s of processor time in {seconds} s"


# --- the whole API ---

CERTIFICATES = {"wrong-host": "name|host|match", "expired": "expired", "other-ca": "issuer|self|verify|CA"}


def outages(standin):
    """name: (what begins it, what ends it, what the line must say)"""
    def faults(kind, **settings):
        return lambda: standin.fault(kind, count=None, **settings)
    end = standin.clear_faults
    found = {
        "down": (lambda: standin.listen(on=False), lambda: standin.listen(on=True), "[Cc]onnect"),
        "503": (faults("status", code=503), end, "HTTP 503"),
        "500": (faults("status", code=500), end, "HTTP 500"),
        "only the listing": (faults("status", code=500, path=USERS), end, "HTTP 500"),
        "garbage": (faults("garbage"), end, "HTTP"),
        "handshakes": (faults("tls-garbage", at="connect"), end, "SSL|TLS"),
        "hangs up": (faults("close", at="connect"), end, "SSL|TLS|reset|closed"),
        "no handshake": (faults("tls-stall", at="connect"), end, "nothing came|time|TLS|SSL"),
    }
    for name, words in CERTIFICATES.items():
        found[name] = (lambda name=name: (standin.switches(certificate=name), standin.close_idle()),
                       lambda: standin.switches(certificate="good"), words)
    return found


@pytest.mark.slow
@pytest.mark.company(people=3)
def test_outages(make_idsyncd, make_standin, slapd, company):
    """One daemon and API for each outage, all at the same time: a listing is due, and a person is new."""
    runs = {}
    emails = sorted(p.email for p in company.people)
    for name in outages(make_standin()):
        standin = make_standin()
        standin.add_accounts(accounts=[p.account() for p in company.people[:2]])
        runner = make_idsyncd(slapd, standin)
        runner.target.update(timeout="1s", list_interval="1s", roles=[{"role": "Read Only"}])
        begin, finish, words = outages(standin)[name]
        begin()
        runs[name] = (standin, runner.start(), finish, words)
    for name, (standin, daemon, finish, words) in runs.items():
        daemon.wait_for(lambda: daemon.warnings(), 20, f"{name}: a warning")
    before = {name: run[1].cpu() for name, run in runs.items()}
    calls = {name: len(run[0].ledger()) for name, run in runs.items()}
    time.sleep(4)
    problems = []
    for name, (standin, daemon, finish, words) in runs.items():
        said = daemon.warnings()
        used, called = daemon.cpu() - before[name], len(standin.ledger()) - calls[name]
        if not all(line.split()[1] == "umbrella:" for line in said) or not re.search(words, said[0]):
            problems.append(f"{name}: {said}")
        if len(said) > 8:
            problems.append(f"{name}: {len(said)} lines: {said}")
        if used > 0.6:
            problems.append(f"{name}: {used:.2f} s of processor time in 4 s")
        if called > 12:
            problems.append(f"{name}: {called} calls in 4 s")
        if standin.calls("POST", USERS):
            problems.append(f"{name}: creates went out")
        finish()
    for name, (standin, daemon, finish, words) in runs.items():
        daemon.wait_for(lambda: standin.emails() == emails, 40, f"{name}: recovery")
        daemon.wait_log("answers again")
        if created(standin, standin.key) != emails[2:]:
            problems.append(f"{name}: created {created(standin, standin.key)}")
        if daemon.terminate() != 0 or "dead letter" in daemon.log().replace("0 dead letters", ""):
            problems.append(f"{name}: {daemon.log()[-500:]}")
    assert not problems, "\n".join(problems)


ODD = {
    "type": ("content-type", {}), "no type": ("content-type", {"type": ""}), "twice": ("duplicate-keys", {}),
    "no id": ("transform", {"remove": ["id"]}), "negative id": ("transform", {"set": {"id": -5}}),
    "id is text": ("transform", {"set": {"id": "eleven"}}), "huge id": ("transform", {"set": {"id": 10 ** 30}}),
    "no email": ("transform", {"remove": ["email"]}), "email is a number": ("transform", {"set": {"email": 7}}),
    "other email": ("transform", {"set": {"email": "somebody.else@example.com"}}),
    "201": ("transform", {"code": 201}), "more": ("transform", {"set": {"new": {"field": [1, 2]}}}),
}


@pytest.mark.company(people=4)
@pytest.mark.parametrize("name", ODD)
def test_odd_answers(idsyncd, standin, company, name):
    """An answer to a create, then a page of the listing, that aren't quite as documented."""
    kind, settings = ODD[name]
    emails = sorted(p.email for p in company.people)
    standin.fault(kind, method="POST", path=USERS, **settings)
    result = idsyncd.once("--wait", "10s", expect=0)
    assert standin.emails() == emails and created(standin, standin.key) == emails
    ids = {a["address"]: a["remote_id"] for a in result.actions("create")}
    assert ids == {a["email"]: str(a["id"]) for a in standin.accounts()}
    standin.fault(kind, method="GET", path=USERS, **{k: v for k, v in settings.items() if k != "code"})
    idsyncd.once("--wait", "10s")
    assert created(standin, standin.key) == emails and not standin.calls("DELETE")
    idsyncd.once("--wait", "10s", expect=0)


def test_redirect_gets_no_authorization(idsyncd, standin):
    standin.fault("redirect", count=None, path="/token$")
    standin.fault("redirect", count=None, path=USERS)
    result = idsyncd.once("--wait", "0s", expect=5)
    assert "redirect" in result.target()["reason"] and standin.elsewhere() == []
    standin.clear_faults()
    standin.fault("redirect", count=None, path=USERS, code=308)
    idsyncd.once("--wait", "0s", expect=5)
    assert standin.elsewhere() == []


# --- tokens and rights ---

def test_wrong_secret(idsyncd, standin):
    """Parked for long, not asked again and again; right credentials and a reload lift it."""
    idsyncd.credentials["umbrella-secret"] = "not-the-secret-0042"
    once = idsyncd.once("--wait", "5s", expect=5)
    assert once.target()["state"] == "parked" and "umbrella: token: HTTP 401" in once.err, once
    assert len(lines(once.err, "^err")) == 1 and len(standin.ledger()) == 1
    again = idsyncd.once(expect=5)              # it is remembered: no call
    assert len(standin.ledger()) == 1 and again.target()["reason"]

    daemon = idsyncd.start()
    never(lambda: len(standin.ledger()) > 1, 2, "a call with credentials that were refused")
    assert daemon.cpu() < 1
    idsyncd.credentials["umbrella-secret"] = standin.secret
    daemon.reload()
    daemon.wait_for(lambda: len(standin.emails()) == 10, 15, "recovery by reload")
    assert daemon.terminate() == 0


@pytest.mark.standin(state={"organizations": [{"id": ORGANIZATION, "name": "Example"}],
                            "keys": [{"key": "test-key-73f1", "secret": "tell-nobody-secret-2207",
                                      "organization": ORGANIZATION,
                                      "scopes": ["admin.users:read", "admin.roles:read"]}]})
def test_key_without_the_scope(idsyncd, standin):
    result = idsyncd.once("--wait", "0s", expect=5)
    assert "admin.users:write" in result.err and len(standin.calls("POST", USERS)) <= 8
    assert standin.emails() == []
    calls = len(standin.ledger())
    idsyncd.once("--wait", "5s", expect=5)
    assert len(standin.ledger()) == calls


def test_tokens_end_in_mid_run(idsyncd, slapd, standin):
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(standin.emails()) == 10, 15, "the first creates")
    for number, end in enumerate((standin.expire_tokens, standin.revoke_tokens)):
        end()
        slapd.add_person(Person(f"later{number}"), "umbrella")
        daemon.wait_for(lambda: standin.account(f"later{number}@example.com"), 10, "a create with a new token")
    assert len(standin.calls("POST", "/token$")) == 3
    assert daemon.warnings() == [] and daemon.terminate() == 0


@pytest.mark.standin(switches={"token": {"expires_in": 3600, "lifetime": 0}})
def test_tokens_that_never_last(idsyncd, standin):
    """Each token is expired before it can be used: one new one for a call, then parked, and no storm."""
    result = idsyncd.once("--wait", "3s", expect=5)
    assert len(standin.calls("POST", "/token$")) <= 4, standin.counts()
    assert "umbrella: " in result.err and standin.emails() == []


@pytest.mark.parametrize("what", ["status", "garbage", "truncate", "html", "deep"])
def test_token_endpoint(idsyncd, standin, what):
    settings = {"status": {"code": 503}, "html": {"code": 200}}.get(what, {})
    standin.fault(what, path="/token$", **settings)
    result = idsyncd.once("--wait", "5s", expect=0)
    assert re.search("^warning: umbrella: token: ", result.err, re.M) and len(standin.emails()) == 10
    assert len(standin.calls("POST", "/token$")) == 2


# --- 429 ---

def test_throttled_without_a_header(idsyncd, standin):
    """Sixty seconds without a call, for the next process as well."""
    standin.fault("status", code=429, method="POST", path=USERS, body={"message": "API rate limit exceeded"})
    result = idsyncd.once("--wait", "2s", expect=1)
    assert len(lines(result.err, "^warning: umbrella: .*429.*no call under this key until")) == 1, result
    calls = len(standin.ledger())
    assert calls <= 7 and len(standin.calls("POST", USERS)) <= 4
    again = idsyncd.once("--wait", "2s")
    assert len(standin.ledger()) == calls and again.code in (1, 5), again
    assert not [a for a in again.actions() if a["state"] == "dead"]
    idsyncd.once("--dry-run", "--wait", "1s")
    assert len(standin.ledger()) == calls


@pytest.mark.parametrize("wait", [1, {"date": 2}])
def test_throttled_with_a_header(idsyncd, standin, wait):
    standin.fault("status", code=429, path=USERS, retry_after=wait)
    idsyncd.once(expect=0)
    first, second = standin.calls("GET", "page|users")[:2]
    assert len(standin.emails()) == 10 and second["mono"] - first["mono"] >= 0.95


# --- the directory ---

def reading(runner):
    runner.config["directory"].update(timeout="1s", poll_timeout="3s", page_size=50)
    runner.target["roles"] = [{"role": "Read Only"}]
    return runner


def mid_read(slapd, daemon):
    """Wait until a read of the people has begun, not long ago."""
    seen = len(slapd.searches())
    daemon.wait_for(lambda: len(slapd.searches()) > seen + 2, 20, "a read that has begun")


@pytest.mark.slow
@pytest.mark.company(people=1500)
@pytest.mark.parametrize("how", ["kill", "freeze", "restart"])
def test_directory_fails_in_mid_read(idsyncd, slapd, standin, company, how):
    reading(idsyncd)
    standin.add_accounts(accounts=[p.account() for p in company.people])
    daemon = idsyncd.start()
    daemon.wait_status("1500 people", 20)
    standin.clear_ledger()
    for _ in range(2):      # at different points of the read
        mid_read(slapd, daemon)
        getattr(slapd, how)()
        if how == "kill":
            daemon.wait_for(lambda: daemon.warnings(), 20, "a line")
            slapd.start()
        elif how == "freeze":
            daemon.wait_for(lambda: daemon.warnings(), 20, "a line")
            quiet(daemon, 1, 0.2)
            slapd.thaw()
    since = time.monotonic()
    daemon.wait_status("^1500 people read at (?!.*the last read failed)", 40, since=since)
    said = daemon.warnings()
    assert all("directory" in line for line in said), said
    assert how == "restart" or said
    assert not [c for c in standin.calls() if c["method"] != "GET"], standin.counts()
    assert daemon.terminate() == 0 and len(standin.emails()) == 1500


def test_directory_down(idsyncd, slapd, company, standin):
    """Once, and as a daemon: starts without it, says so in one line, waits longer, and goes on when it is back."""
    slapd.stop()
    result = idsyncd.once(expect=4)
    assert result.json["directory"]["state"] == "unreachable" and "127.0.0.1" in result.json["directory"]["error"]
    assert standin.ledger() == []
    daemon = idsyncd.start()
    daemon.wait_for(lambda: daemon.warnings(), 10, "a line")
    quiet(daemon, 3, 0.6)
    assert len(daemon.warnings()) <= 4 and standin.ledger() == [], daemon.warnings()
    daemon.wait_status("no complete read|last read failed", 5)
    slapd.start()
    daemon.wait_for(lambda: len(standin.emails()) == 10, 20, "recovery")
    assert daemon.terminate() == 0


def test_directory_frozen_from_the_start(idsyncd, slapd, standin):
    idsyncd.config["directory"].update(timeout="1s", poll_timeout="3s")
    slapd.freeze()
    start = time.monotonic()
    result = idsyncd.once("--wait", "0s", expect=4)
    slapd.thaw()
    assert time.monotonic() - start < 8 and result.json["directory"]["error"]
    idsyncd.once(expect=0)


@pytest.mark.parametrize("certificate", ["wrong-host", "expired", "other-ca"])
def test_directory_certificate(make_idsyncd, make_slapd, company, standin, ca, certificate):
    """The bind secret isn't sent to a server that can't prove who it is."""
    slapd = make_slapd(company, certificate=certificate)
    runner = make_idsyncd(slapd, standin)
    result = runner.once(expect=4)
    assert re.search("certificate|host", result.json["directory"]["error"]), result.json["directory"]
    with open(slapd.log_path) as log:
        assert BIND_DN not in log.read()
    assert standin.ledger() == []


@pytest.mark.company(people=1500)
def test_reader_killed(idsyncd, slapd, standin, company):
    reading(idsyncd)
    daemon = idsyncd.start()
    daemon.wait_for(lambda: children(daemon.pid), 10, "the reader")
    for _ in range(2):
        daemon.wait_for(lambda: any(os.path.exists(f"/proc/{c}") for c in children(daemon.pid)), 10, "the reader")
        for child in children(daemon.pid):
            try:
                os.kill(child, 9)
            except ProcessLookupError:
                pass
    daemon.wait_status("1500 people", 30)
    assert daemon.terminate() == 0
