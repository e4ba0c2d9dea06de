# SPDX-License-Identifier: Apache-2.0
"""What README.md and idsyncd(8), UPKEEP, tell an administrator to type, typed. One machine for all tests of this file, in
their order."""

import json
import re

import documents
import pytest
from lib.company import Person
from lib.process import wait_for
from service import CA, CONFIG

PLACEHOLDER = "0123456789ab"        # of a hash
CODES = {"sudo idsyncd --once --dry-run": 1, "sudo idsyncd --once": 6}      # others: 0
ALICE, BOB, LATE, LATER = (Person(name) for name in ("alice", "bob", "late", "later"))


@pytest.fixture(scope="module")
def upkeep():
    return documents.upkeep()


def edit(service, edits):
    """The configuration as it is there, with other lines for some."""
    with open(f"{service.container.root}{CONFIG}") as source:
        text = source.read()
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    service.write_config(text)


def edit_sample(service):
    """Where it must be; and more calls than Umbrella allows, so that the test needn't wait."""
    edit(service, {
        'uris = [ "ldaps://ldap1.example.com", "ldaps://ldap2.example.com" ];': f'uris = [ "{service.slapd.ldaps}" ];',
        '#   ca_file = "/etc/ssl/certs/ca-certificates.crt";': f'    ca_file = "{CA}";',
        '#       url = "https://api.umbrella.com";': f'        url = "{service.standin.url}";',
        '#           second = 5;': "            second = 1000;", '#           minute = 14;': "            minute = 1000;",
        '#           half_hour = 350;': "            half_hour = 1000;"})


def status(service):
    return json.loads(service.container.run("idsyncctl", "status", "--json").stdout)


def compared(service):
    """How it stands once both sides were compared."""
    def check():
        run = service.container.run("idsyncctl", "status", "--json")
        document = run.stdout.startswith("{") and json.loads(run.stdout)
        return document and document["targets"][0]["state"] != "unknown" and not document["cycle_running"] and document
    return wait_for(check, 20, "a comparison", every=0.2)


def gets_an_account(service, person):
    service.slapd.add_person(person, "umbrella")
    service.shell(f"idsyncctl sync {person.email}")
    assert person.email in service.standin.emails()


def test_install_look_and_let_go(bare_service):
    service = bare_service
    looks = service.install()
    edit_sample(service)
    service.slapd.add_person(BOB, "umbrella")
    shown = ""
    for line in looks:
        if "systemctl enable" in line:
            assert BOB.email in service.standin.emails(), "the first plan went ahead"
            service.slapd.add_person(ALICE, "umbrella")     # whom the daemon finds itself
        held = re.search("--approve ([0-9a-f]{12})", shown)
        shown = service.shell(line.replace(PLACEHOLDER, held[1] if held else PLACEHOLDER), CODES.get(line, 0))
    service.standin.wait_emails([*service.standin.emails(), ALICE.email], timeout=20)
    compared(service)


def test_run(bare_service, message_ids):
    service = bare_service
    for line in documents.readme("Run it"):
        shown = service.shell(line)
        assert shown or "reload" in line, line
        if "MESSAGE_ID" in line:
            assert line.endswith(message_ids["PLAN_HELD"])
        elif line.startswith("journalctl"):
            assert ALICE.email in shown, line
    with open(f"{documents.ROOT}/README.md") as source:
        join = re.search(r"`(sudo usermod -aG \w+ ann)`", source.read())[1]
    refused = service.container.run("setpriv", "--reuid=daemon", "--regid=daemon", "--init-groups", "idsyncctl", "status")
    assert refused.returncode == 2 and join.removeprefix("sudo ").replace("ann", "NAME") in refused.stderr
    service.shell(join.replace("ann", "daemon"))
    service.shell("setpriv --reuid=daemon --regid=daemon --init-groups idsyncctl status")


def test_the_reader_by_hand(bare_service):
    """As root, without an option more: configuration and credentials are where the service has them."""
    shown = bare_service.shell("/usr/libexec/idsyncd-directory --text")
    assert f"email: {ALICE.email}\n" in shown


def test_a_quiet_journal(bare_service):
    """A cycle that finds nothing new writes no line."""
    service = bare_service
    before = status(service)["cycle"]
    edit(service, {'#   poll_interval = "5min";': '    poll_interval = "1s";'})
    service.shell("systemctl reload idsyncd")
    wait_for(lambda: compared(service)["cycle"] > before, 20, "a cycle", every=0.2)
    lines, cycle = len(service.journal()), status(service)["cycle"]
    wait_for(lambda: status(service)["cycle"] > cycle + 1, 20, "two more", every=0.2)
    assert len(service.journal()) == lines, service.journal()[lines:]


def test_backup_and_restore(bare_service, upkeep):
    service, (backup, *restore) = bare_service, upkeep["a backup"]
    service.shell(backup)
    service.slapd.add_person(LATE, "umbrella")
    wait_for(lambda: LATE.email in service.standin.emails(), 20, "somebody new")
    service.standin.remove_accounts(emails=[LATE.email], forget=True)
    for line in restore:
        service.shell(line)
    held = compared(service)["targets"][0]["held"]
    assert "put back from a backup" in held["reason"] and LATE.email not in service.standin.emails()
    # Elsewhere there is no mark beside it.
    for line in (restore[0], "rm -r /var/lib/idsyncd", *restore[1:]):
        service.shell(line)
    held = compared(service)["targets"][0]["held"]
    assert "put back from a backup" in held["reason"] and LATE.email not in service.standin.emails()
    service.shell(f"idsyncctl approve {held['hash']}")
    wait_for(lambda: LATE.email in service.standin.emails(), 20, "the approved account")


def test_a_new_secret(bare_service, upkeep):
    service = bare_service
    service.secrets["umbrella-secret"] = "a-new-one-5501"
    service.standin.set_state(keys=[{"key": service.standin.key, "secret": "a-new-one-5501", "organization": 1000001}])
    service.standin.revoke_tokens()
    service.shell("idsyncctl sync --full")
    wait_for(lambda: status(service)["targets"][0]["parked"], 30, "a refused key", every=0.2)
    for line in upkeep["a new key, secret or password"]:
        service.shell(line)


def test_another_machine(bare_service, upkeep):
    service = bare_service
    away, pack, *there = upkeep["another machine"]
    for line in (away, pack, "rm -r /etc/idsyncd /var/lib/idsyncd", *there):
        service.shell(line)
    assert compared(service)["targets"][0]["held"] is None
    gets_an_account(service, LATER)


def test_another_version(bare_service, upkeep):
    service = bare_service
    pid = service.pid()
    for line in upkeep["another version"]:
        service.shell(line)
    assert service.pid() != pid and compared(service)["exit"] == 0


def test_removal(bare_service, upkeep):
    service = bare_service
    accounts = service.standin.emails()
    for line in upkeep["removal"]:
        service.shell(line)
    places = [f"/usr/{place}" for place in ("bin", "sbin", "libexec", "lib/systemd", "lib/sysusers.d", "lib/tmpfiles.d",
                                            "share/man", "share/dbus-1", "share/bash-completion", "share/zsh")]
    left = service.container.run("find", *places, "/etc", "/var/lib", "-maxdepth", "3", "-name", "*idsync*").stdout.split()
    assert left == [] and service.get("LoadState") == "not-found"
    assert service.container.run("getent", "passwd", "idsyncd").returncode != 0
    assert service.container.run("getent", "group", "idsync", "idsyncd").stdout == ""
    assert service.standin.emails() == accounts
