# SPDX-License-Identifier: Apache-2.0
"""The laboratory itself: the directory, the notify socket, the configuration writer, the time limits."""

import os
import pathlib
import socket
import subprocess
import sys
import time

import ldap
import pytest

from lib import confwrite
from lib.company import BIND_DN, BIND_PASSWORD, GROUPS, PEOPLE, Company, Person, group_dn
from lib.daemon import find_secrets
from lib.notify import NotifySocket
from lib.process import children, cpu_seconds, end, never, pss_bytes, spawn, wait_for


def search(slapd, uri, starttls=False, ca="ca.pem", filter="(objectClass=inetOrgPerson)", base=PEOPLE):
    """As the daemon would: bound with its DN, paged by the server's leave."""
    connection = ldap.initialize(uri)
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, f"{slapd.ca}/{ca}")
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 3)
    connection.set_option(ldap.OPT_TIMEOUT, 3)
    if starttls:
        connection.start_tls_s()
    connection.simple_bind_s(BIND_DN, BIND_PASSWORD)
    found = connection.search_s(base, ldap.SCOPE_SUBTREE, filter, ["uid", "entryUUID", "member"])
    connection.unbind_s()
    return found


@pytest.mark.company(people=600, admins=3, outsiders=5)
def test_directory_three_ways(slapd, company):
    for uri, starttls in ((slapd.ldaps, False), (slapd.ldap, True), (slapd.ldapi, False)):
        found = search(slapd, uri, starttls)     # more than the 500 that others get
        assert len(found) == 600
    ids = {entry["uid"][0].decode(): entry["entryUUID"][0].decode() for _, entry in found}
    assert ids == {p.uid: p.id for p in company.people}
    groups = {dn: entry["member"] for dn, entry in search(slapd, slapd.ldap, filter="(member=*)", base=GROUPS)}
    assert len(groups[group_dn("umbrella")]) == 595 and len(groups[group_dn("umbrella-admins")]) == 3
    with pytest.raises(ldap.SERVER_DOWN):
        search(slapd, slapd.ldaps, ca="other-root.pem")
    wait_for(lambda: len(slapd.searches(PEOPLE)) == 3)


def test_directory_changes(slapd, company):
    new = Person("zed", "Zed", "Zorro", number=1)
    slapd.add_person(new, "umbrella", "umbrella-admins")
    assert slapd.get(new.dn, "memberOf")["memberOf"] == [group_dn("umbrella"), group_dn("umbrella-admins")]
    assert len(new.id) == 36
    slapd.leave("umbrella-admins", new)
    slapd.modify(new.dn, mail="other@example.com", telephoneNumber=None)
    slapd.rename(new.dn, "uid=zack")
    assert slapd.get(f"uid=zack,{PEOPLE}", "mail")["mail"] == ["other@example.com"]
    slapd.delete(company.people[0].dn)
    assert slapd.get(company.people[0].dn) is None
    assert len(search(slapd, slapd.ldap)) == 10


def test_directory_faults(slapd):
    slapd.limit_reader("size=4")
    with pytest.raises(ldap.SIZELIMIT_EXCEEDED):
        search(slapd, slapd.ldap)
    slapd.freeze()
    with pytest.raises((ldap.TIMEOUT, ldap.SERVER_DOWN)):
        search(slapd, slapd.ldap)
    slapd.thaw()
    slapd.restart()
    assert len(search(slapd, slapd.ldaps)) == 10
    slapd.kill()
    with pytest.raises(ldap.SERVER_DOWN):
        search(slapd, slapd.ldap)
    slapd.start()
    assert len(search(slapd, slapd.ldaps)) == 10


def test_locked_account_is_seen(slapd, company):
    """ppolicy works: an administrator's lock is an ordinary attribute to the reader."""
    slapd.modify(company.people[0].dn, userPassword="secret-0815", pwdAccountLockedTime="000001010000Z")
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        slapd.connect(company.people[0].dn, "secret-0815")


def test_two_directories_side_by_side(make_slapd):
    first, second = make_slapd(Company(people=1)), make_slapd(Company(people=2))
    assert len(search(first, first.ldap)) == 1 and len(search(second, second.ldap)) == 2


def test_notify_socket():
    notify = NotifySocket()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(b"READY=1\nSTATUS=all is well", notify.address)
        out.sendto(b"STATUS=still so", notify.address)
    assert notify.wait("STATUS", lambda text: "still" in text) == "still so"
    assert notify.values("STATUS") == ["all is well", "still so"] and notify.last("READY") == "1"
    with pytest.raises(AssertionError):
        notify.wait("STOPPING", timeout=0.1)
    notify.close()


def test_configuration_writer():
    text = confwrite.settings({
        "a": {"b": True, "c": 5, "big": 1 << 40, "none": None}, "uris": ["x"], "empty": [], "targets": [],
        "roles": [{"role": 'Q"\\\n'}], "raw": confwrite.Raw("yes, please")})
    assert text == ('a = {\n  b = true;\n  c = 5;\n  big = 1099511627776L;\n};\nuris = ["x"];\nempty = [];\n'
                    'targets = ();\nroles = ({\n    role = "Q\\"\\\\\\n";\n  });\nraw = yes, please;\n')


def test_processes_end_and_are_measured():
    process = spawn([sys.executable, "-c", "import subprocess, time\n"
                     "subprocess.Popen(['sleep', '60'])\nwhile time.process_time() < 0.3: pass\ntime.sleep(60)"])
    wait_for(lambda: cpu_seconds(process.pid) >= 0.1)
    below = wait_for(lambda: children(process.pid))
    assert pss_bytes(process.pid) > 1 << 20
    end(process)
    wait_for(lambda: not os.path.exists(f"/proc/{below[0]}") or "Z" in open(f"/proc/{below[0]}/stat").read())


def test_wait_for_gives_up():
    with pytest.raises(AssertionError, match="in vain for the moon"):
        wait_for(lambda: False, 0.05, "the moon")
    with pytest.raises(AssertionError):
        never(lambda: True, 0.05, "surprise")
    start = time.monotonic()
    never(lambda: False, 0.1)
    assert time.monotonic() - start >= 0.1


def test_secrets_are_found(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\0hush-hush\0")
    process = subprocess.Popen(["sleep", "60"], env={"X": "hush-hush"})
    try:
        wait_for(pathlib.Path(f"/proc/{process.pid}/environ").read_bytes, what="a program that has begun")
        found = find_secrets(["other", "hush-hush"], ["a", "so hush-hush"], [str(path)], [process.pid])
    finally:
        process.kill()
        process.wait()
    assert found == [("output 1", 1), (str(path), 1), (f"/proc/{process.pid}/environ", 1)]


PRETENDER = """#!/usr/bin/python3
import json, os, signal, socket, sys
print("secret-in-log" if "--leak" in sys.argv else "fine", file=sys.stderr, flush=True)
if "--once" in sys.argv:
    config = open(sys.argv[sys.argv.index("--config") + 1]).read()
    print(json.dumps({"exit": 1, "config": config, "targets": [{"name": "umbrella", "actions": []}]}))
    sys.exit(1)
out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
out.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
out.send(b"READY=1\\nSTATUS=pretending")
while True:
    signal.pause()
"""


@pytest.fixture
def pretender(tmp_path, monkeypatch):
    """A program in the place of idsyncd, to test the runner."""
    for name in ("idsyncd", "idsyncd-directory"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(PRETENDER)
        path.chmod(0o755)
    monkeypatch.setenv("IDSYNCD_BUILDDIR", str(tmp_path / "bin"))


def test_runner(pretender, idsyncd, slapd, standin):
    idsyncd.target["limits"] = {"create": 7}
    result = idsyncd.once(expect=1)
    assert f'uris = ["{slapd.ldaps}"]' in result.json["config"] and "create = 7;" in result.json["config"]
    assert standin.url in result.json["config"] and result.actions() == []
    assert os.stat(f"{idsyncd.credentials_dir}/umbrella-secret").st_mode & 0o777 == 0o600
    with pytest.raises(AssertionError, match="expected exit 0"):
        idsyncd.once(expect=0)
    daemon = idsyncd.start()
    assert daemon.wait_status("pretend") == "pretending" and daemon.wait_log("fine")
    assert daemon.terminate() == 0
    second = idsyncd.start()
    second.kill()
    with pytest.raises(AssertionError, match="ended with -9"):
        second.wait_for(lambda: False)


def test_runner_finds_leaks(pretender, make_idsyncd):
    idsyncd = make_idsyncd()
    idsyncd.credentials["umbrella-secret"] = "secret-in-log"
    idsyncd.once("--leak")
    with pytest.raises(AssertionError, match="secrets found"):
        idsyncd.check_outputs()
    idsyncd.outputs = ["x.c:5:3: runtime error: shift exponent"]
    with pytest.raises(AssertionError, match="runtime error"):
        idsyncd.check_outputs()
    idsyncd.outputs = []
