# SPDX-License-Identifier: Apache-2.0
"""idsyncd --check: what it tells of a sound installation, and of each thing that can be wrong with one."""

import os
import re
import signal
import sqlite3
import subprocess

import pytest

from lib.company import BIND_PASSWORD, PEOPLE, group_dn
from lib.daemon import find_binary
from lib.process import spawn, wait_for


def check(idsyncd, expect):
    """The lines of --check --json, which must exit with EXPECT and say so itself."""
    result = idsyncd.run("--check", "--json")
    assert result.code == expect == result.json["exit"], result
    return result.json["checks"]


def find(lines, what, target=None):
    return [line for line in lines if line["what"] == what and line["target"] == target]


def one(lines, what, target=None):
    found = find(lines, what, target)
    assert len(found) == 1, lines
    return found[0]


def failed(lines):
    return [line for line in lines if line["result"] == "fail"]


def the_failure(lines, what, target=None):
    """The only line that failed, which is this one; its detail."""
    assert [(line["what"], line["target"]) for line in failed(lines)] == [(what, target)], lines
    return failed(lines)[0]["detail"]


def warned(lines):
    return {line["what"] for line in lines if line["result"] == "warn"}


# --- all is well ---

def test_all_is_well(idsyncd, slapd, company, standin):
    standin.add_accounts(accounts=[company.people[1].account()])
    lines = check(idsyncd, 0)
    assert {line["result"] for line in lines} == {"ok"}, lines
    assert "1 target, 2 groups" in one(lines, "file")["detail"]
    assert slapd.ldaps in one(lines, "connection")["detail"] and "TLS" in one(lines, "connection")["detail"]
    assert re.search(r"in 36[45] days", find(lines, "certificate")[0]["detail"])
    people = one(lines, "people")
    assert people["detail"].startswith("10 below") and len(people["more"]) == 4
    person = next(p for p in company.people if p.dn in people["more"][0])
    for value in (person.id, f'login "{person.uid}"', f'email "{person.email}"', f'first_name "{person.first}"',
                  f'last_name "{person.last}"'):
        assert value in people["more"][0], people
    assert one(lines, "people", "umbrella")["detail"] == "10 belong here: 1 as Full Admin, 9 as Read Only"
    assert [line["detail"] for line in find(lines, "group")] == [
        f"{group_dn('umbrella')}: 10 members", f"{group_dn('umbrella-admins')}: 1 member"]
    assert "only a write would show" in one(lines, "scopes", "umbrella")["detail"]
    assert one(lines, "listing", "umbrella")["detail"].startswith("1 account in ")
    assert re.search(r"in 36[45] days", one(lines, "certificate", "umbrella")["detail"])
    assert {line["what"] for line in lines if line["target"] == "umbrella"} >= {"token", "roles", "clock"}


def test_text(idsyncd, company):
    text = idsyncd.run("--check")
    lines = text.out.splitlines()
    assert text.code == 0 and re.fullmatch(r"all \d+ checks passed", lines[-1]), text
    told = [line for line in lines[:-1] if not line.startswith(" ")]
    assert all(line.startswith("ok    ") for line in told) and len(told) >= 10
    column = told[0].index(idsyncd.config_path)         # the details stand in one column
    assert all(line[column - 1] == " " and line[column] != " " for line in told), text.out
    assert any(line.startswith("          LDAPTLS_CACERT=") for line in lines)


def test_the_commands_are_the_reads(idsyncd, company):
    """Pasted into a shell they find what the reader found; the password is asked for."""
    idsyncd.config["directory"]["people"]["filter"] = "(|(uid=p0000*)(cn=it's \\2a $HOME `x`))"
    lines = check(idsyncd, 0)
    commands = [one(lines, "people")["more"][-1]] + [line["more"][-1] for line in find(lines, "group")]
    assert all(" -W " in command and BIND_PASSWORD not in command for command in commands)
    found = []
    for command in commands:
        command = command.replace(" -W ", f" -w {BIND_PASSWORD} ")
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (command, done)
        found.append(done.stdout)
    assert found[0].count("dn: uid=") == 10 and found[0].count("entryUUID: ") == 10
    assert found[1].count("member: ") == 10 and found[2].count("member: ") == 1


def test_nothing_is_changed(idsyncd, slapd, company, standin):
    """Not even while there is a queue to work off: only calls are counted."""
    def dump():
        with sqlite3.connect(f"{idsyncd.state}/idsyncd.db") as db:
            return [line for line in db.iterdump() if not line.startswith('INSERT INTO "call"')]

    standin.fault("status", code=503, method="POST", path="/users$", count=1000)
    idsyncd.once("--wait", "1s", expect=5)
    with sqlite3.connect(f"{idsyncd.state}/idsyncd.db") as db:
        db.execute("DELETE FROM park")
        db.execute("UPDATE action SET state = 'running' WHERE id = (SELECT min(id) FROM action)")
    before = dump()
    standin.clear_ledger()
    slapd.delete(company.people[5].dn)
    check(idsyncd, 0)
    assert dump() == before
    assert {call["method"] for call in standin.calls(path="/users|/roles")} == {"GET"}


# --- configuration and credentials: 3 ---

def test_configuration(idsyncd):
    idsyncd.config["directory"]["page_sise"] = 10
    idsyncd.target["groups"] = ["no dn"]
    lines = check(idsyncd, 3)
    assert len(lines) == 2 and len(find(lines, "file")) == 2, lines
    told = idsyncd.run("--check-config").err.splitlines()
    assert [line["detail"] for line in lines] == [line for line in told if idsyncd.config_path in line]
    text = idsyncd.run("--check")
    assert text.code == 3 and text.out.count("FAIL  configuration  file") == 2, text


def test_credential(idsyncd):
    idsyncd.write()
    os.unlink(f"{idsyncd.credentials_dir}/umbrella-secret")
    result = idsyncd.run("--check", "--json", write=False)
    assert result.code == 3 and "umbrella-secret is not there" in result.json["checks"][0]["detail"], result


def test_unknown_role(idsyncd):
    idsyncd.target["roles"][1]["role"] = "Reading Only"
    idsyncd.target["last_of"] = ["Ful Admin"]
    lines = check(idsyncd, 3)
    detail = the_failure(lines[:-2] + failed(lines[-2:]), "roles", "umbrella")
    assert '"Reading Only"' in detail and "Read Only" in detail.split("there are:")[1]
    assert any("Ful Admin" in line["detail"] for line in lines if line["result"] == "warn")


# --- the directory: 4 ---

def test_wrong_password(idsyncd):
    idsyncd.credentials["ldap-password"] = "wrong-horse-ldap-8841"
    lines = check(idsyncd, 4)
    assert "nvalid credentials" in the_failure(lines, "connection")
    assert "ldapsearch" in one(lines, "connection")["more"][0]
    assert one(lines, "listing", "umbrella")["result"] == "ok", "the rest is checked all the same"


def test_nobody_there(idsyncd, slapd):
    slapd.stop()
    assert slapd.ldaps in the_failure(check(idsyncd, 4), "connection")


def test_second_server(idsyncd, slapd):
    idsyncd.config["directory"]["uris"] = ["ldaps://127.0.0.1:1", slapd.ldaps]
    lines = check(idsyncd, 0)
    assert slapd.ldaps in one(lines, "connection")["detail"]
    assert warned(lines) == {"notice"} and "127.0.0.1:1" in one(lines, "notice")["detail"]


def test_wrong_base(idsyncd):
    idsyncd.config["directory"]["people"]["base"] = "ou=nobody,dc=example,dc=com"
    lines = check(idsyncd, 4)
    assert "directory.people.base" in the_failure(lines, "people")
    assert one(lines, "connection")["result"] == "ok"
    assert "-b ou=nobody,dc=example,dc=com" in one(lines, "people")["more"][-1]


def test_nobody_found(idsyncd):
    idsyncd.config["directory"]["people"]["filter"] = "(uid=nobody)"
    assert PEOPLE in the_failure(check(idsyncd, 4), "people")


def test_missing_group(idsyncd):
    idsyncd.target["groups"].append(group_dn("nowhere"))
    assert group_dn("nowhere") in the_failure(check(idsyncd, 4), "group")


def test_missing_canary(idsyncd, company):
    idsyncd.config["directory"]["canaries"] = [company.people[0].dn, f"uid=gone,{PEOPLE}"]
    lines = check(idsyncd, 4)
    assert f"uid=gone,{PEOPLE}" in the_failure(lines, "canaries")
    assert one(lines, "people")["detail"].startswith("10 below")


def test_nobody_belongs(idsyncd, slapd, company):
    slapd.add(group_dn("empty"), {"objectClass": ["posixGroup"], "cn": "empty", "gidNumber": "77"})
    idsyncd.target["groups"] = [group_dn("empty")]
    lines = check(idsyncd, 0)
    assert one(lines, "people", "umbrella")["detail"].startswith("0 belong here")
    assert warned(lines) == {"people", "group"}


def test_role_for_nobody(idsyncd):
    idsyncd.target["roles"].pop()
    lines = check(idsyncd, 0)
    assert one(lines, "people", "umbrella")["detail"] == \
        "1 belong here: 1 as Full Admin; 9 more match no row of roles"


def test_misspelt_attribute(idsyncd):
    idsyncd.config["directory"]["attributes"] = {"email": "mailbox"}
    lines = check(idsyncd, 0)
    assert warned(lines) == {"attributes"} and "10 of 10" in one(lines, "attributes")["detail"]


@pytest.mark.parametrize("ca_file, told", [("other-root", "has signed it"), ("old-root", "ended on")])
def test_wrong_or_expired_ca(idsyncd, ca, ca_file, told):
    """What signed the server's certificate isn't in ca_file, or isn't valid any more."""
    idsyncd.config["directory"]["ca_file"] = f"{ca}/{ca_file}.pem"
    detail = the_failure(check(idsyncd, 4), "connection")
    assert f"{ca}/{ca_file}.pem" in detail and "directory.ca_file" in detail and told in detail


def test_ca_that_ends_soon(idsyncd, make_slapd, company, ca):
    idsyncd.config["directory"] |= {"uris": [make_slapd(company, certificate="chained").ldaps],
                                    "ca_file": f"{ca}/soon-ca.pem"}
    lines = check(idsyncd, 0)
    assert "directory.ca_file" in one(lines, "notice")["detail"] and warned(lines) == {"notice"}
    with open(f"{ca}/soon-ca.pem") as old, open(f"{ca}/ca.pem") as other:
        both = other.read() + old.read()
    with open(f"{idsyncd.home}/both.pem", "w") as out:
        out.write(both)
    idsyncd.config["directory"]["ca_file"] = f"{idsyncd.home}/both.pem"
    assert warned(check(idsyncd, 0)) == {"notice"}, "the CA that signed it, not the first"


@pytest.mark.parametrize("certificate", ["expired", "soon", "good"])
def test_certificate_of_the_directory(idsyncd, make_slapd, company, certificate):
    idsyncd.config["directory"]["uris"] = [make_slapd(company, certificate=certificate).ldaps]
    lines = check(idsyncd, 4 if certificate == "expired" else 0)
    if certificate == "expired":
        assert "ended on" in the_failure(lines, "connection")
    else:
        told = one(lines, "certificate")
        assert told["result"] == ("warn" if certificate == "soon" else "ok"), told
        assert certificate != "soon" or "in 4 days" in told["detail"]


def test_without_tls(idsyncd, slapd):
    idsyncd.config["directory"] |= {"uris": [slapd.ldap], "insecure": True}
    lines = check(idsyncd, 0)
    assert one(lines, "certificate")["result"] == "warn" and "ldaps://" in one(lines, "certificate")["detail"]


# --- targets: 5 ---

def test_wrong_secret(idsyncd, standin):
    idsyncd.credentials["umbrella-secret"] = "tell-nobody-wrong"
    for _ in range(2):          # nothing is remembered: who mends it may check again at once
        lines = check(idsyncd, 5)
        detail = the_failure(lines, "token", "umbrella")
        assert "check the key and its secret" in detail
    assert standin.calls(path="/roles|/users") == []
    idsyncd.credentials["umbrella-secret"] = standin.secret
    check(idsyncd, 0)


def test_missing_scope(idsyncd, standin):
    standin.fault("status", code=403, method="GET", path="/roles", count=2)
    lines = check(idsyncd, 5)
    assert "admin.roles:read" in the_failure(lines, "scopes", "umbrella")
    assert one(lines, "token", "umbrella")["result"] == "ok"


def test_api_down(idsyncd, standin):
    standin.listen(on=False)
    assert "onnect" in the_failure(check(idsyncd, 5), "token", "umbrella")


def test_listing_cut(idsyncd, standin):
    standin.fault("status", code=500, method="GET", path="/users$")
    lines = check(idsyncd, 5)
    assert "HTTP 500" in the_failure(lines, "listing", "umbrella")
    assert one(lines, "roles", "umbrella")["result"] == "ok"


def test_canary_of_a_target(idsyncd):
    idsyncd.target["canaries"] = ["always@example.com"]
    assert "always@example.com" in the_failure(check(idsyncd, 5), "listing", "umbrella")


@pytest.mark.parametrize("ahead", [-200, 200, 10])
def test_clock(idsyncd, standin, ahead):
    standin.switches(clock=ahead)
    lines = check(idsyncd, 0)
    told = one(lines, "clock", "umbrella")
    assert told["result"] == ("ok" if ahead == 10 else "warn"), told
    assert ahead == 10 or (re.search(r"3min (19|20|21)s|3min 20s", told["detail"])
                           and ("ahead" if ahead > 0 else "behind") in told["detail"]), told


@pytest.mark.parametrize("certificate, told", [
    ("expired", "expired"), ("other-ca", "ca_file"), ("soon", "in 4 days"), ("chained", "issuer's in 4 days")])
def test_certificate_of_a_target(idsyncd, standin, certificate, told):
    standin.switches(certificate=certificate)
    accepted = certificate in ("soon", "chained")
    line = one(check(idsyncd, 0 if accepted else 5), "certificate", "umbrella")
    assert line["result"] == ("warn" if accepted else "fail") and told in line["detail"], line


def test_parked_target_is_left_alone(idsyncd, standin):
    idsyncd.credentials["umbrella-secret"] = "tell-nobody-wrong"
    idsyncd.once(expect=5)
    standin.clear_ledger()
    lines = check(idsyncd, 5)
    assert "idsyncctl resume" in the_failure(lines, "parked", "umbrella") and standin.calls() == []


def test_paused_target(idsyncd, standin):
    idsyncd.target["paused"] = True
    lines = check(idsyncd, 0)
    assert warned(lines) == {"paused"} and one(lines, "listing", "umbrella")["result"] == "ok"


def test_quarantine(idsyncd, standin):
    idsyncd.target.update(quarantine={"percent": 40, "after": 3}, concurrency=1)
    standin.fault("status", code=400, method="POST", path="/users$", count=1000)
    idsyncd.once()
    line = one(check(idsyncd, 0), "quarantine", "umbrella")
    assert line["result"] == "warn" and "3 of the last 3 actions failed" in line["detail"], line


def test_throttled(idsyncd, standin):
    """By the API itself, for longer than one cares to wait: no other call is made."""
    standin.fault("status", code=429, retry_after=900, method="GET", path="/roles", count=1000)
    detail = the_failure(check(idsyncd, 5), "calls", "umbrella")
    assert "the API has asked for a pause" in detail and len(standin.calls(path="/roles|/users")) == 1


@pytest.mark.standin(limits=True)
def test_budget(idsyncd, standin):
    """The calls of checks count; when they are used up it waits or says so, and never provokes a 429."""
    idsyncd.target["rate"] = {"second": 5, "minute": 14, "half_hour": 6}
    check(idsyncd, 0)
    lines = check(idsyncd, 0) if len(standin.calls(path="/admin/v2")) * 2 <= 6 else []
    while not failed(lines):
        result = idsyncd.run("--check", "--json")
        lines = result.json["checks"]
    assert result.code == 5 and "check again then" in the_failure(lines, "calls", "umbrella")
    assert standin.calls(status=429) == [] and len(standin.calls(path="/admin/v2")) <= 6


@pytest.mark.standin(api="primavera")
def test_primavera(idsyncd, standin):
    lines = check(idsyncd, 0)
    assert one(lines, "listing", "primavera")["detail"].startswith("1 account") or \
        one(lines, "listing", "primavera")["result"] == "ok"
    assert one(lines, "token", "primavera")["result"] == "ok"


def test_order_of_exit_codes(idsyncd, slapd, standin):
    slapd.stop()
    standin.listen(on=False)
    check(idsyncd, 4)
    standin.listen()
    idsyncd.target["roles"][1]["role"] = "Reading Only"
    check(idsyncd, 3)


# --- expectations: 1 ---

def test_expectations(idsyncd, slapd, company):
    admin, other = company.people[0].email, company.people[1].email
    idsyncd.config["expect"] = [{"person": admin, "target": "umbrella", "role": "Full Admin"},
                                {"person": "nobody@example.com", "target": "umbrella", "absent": True}]
    lines = check(idsyncd, 0)
    assert [line["result"] for line in find(lines, "expectation", "umbrella")] == ["ok", "ok"]
    idsyncd.config["expect"].append({"person": other, "target": "umbrella", "role": "Full Admin"})
    lines = check(idsyncd, 1)
    detail = the_failure(lines, "expectation", "umbrella")
    assert other in detail and idsyncd.config_path in detail and "Read Only" in detail
    idsyncd.config["expect"].pop()
    slapd.modify(company.people[0].dn, givenName=None)          # blocks
    detail = the_failure(check(idsyncd, 1), "expectation", "umbrella")
    assert admin in detail and "first_name" in detail, detail
    slapd.stop()
    lines = check(idsyncd, 4)
    assert one(lines, "expectations")["result"] == "warn" and not find(lines, "expectation", "umbrella")


# --- the state directory: 7; being stopped ---

def test_daemon_is_running(idsyncd):
    daemon = idsyncd.start()
    result = idsyncd.run("--check")
    assert result.code == 7 and str(daemon.pid) in result.err and "idsyncctl check" in result.err, result
    assert daemon.terminate() == 0


@pytest.mark.parametrize("job, code, told", [("--check", 1, ""), ("--once", 4, "directory: not read yet\n")])
def test_sigterm(idsyncd, slapd, job, code, told):
    idsyncd.write()
    slapd.freeze()
    process = spawn([find_binary("idsyncd"), *idsyncd._options(), job], env=idsyncd._environment(),
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    wait_for(lambda: subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True).stdout, 10, "a reader")
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10)[0].startswith(told) and process.returncode == code
    slapd.thaw()


def test_usage(idsyncd):
    for words in (["--check", "--once"], ["--check", "--check-config"], ["--check", "--dry-run"],
                  ["--check", "--wait", "1s"]):
        assert idsyncd.run(*words).code == 2, words
