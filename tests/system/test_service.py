# SPDX-License-Identifier: Apache-2.0
"""idsyncd as a service of a booted systemd, as "make install" leaves it. One machine for all tests of this file."""

import os
import re

import pytest
from lib.company import Person
from lib.process import wait_for
from service import CONFIG


@pytest.fixture
def running(service):
    """The service, active with a configuration that is right, whatever the test before did."""
    service.write_config()
    if service.get("ActiveState") != "active":
        service.container.run("systemctl", "reset-failed", "idsyncd.service")
        service.systemctl("start")
    return service


def host_path(service, path):
    return f"{service.container.root}{path}"


def test_it_starts_and_does_its_job(service):
    """The sandbox lets through what the job needs: directory, API, state."""
    service.systemctl("start")
    assert service.get("ActiveState") == "active"
    people = [f"p{n:05d}@example.com" for n in range(10)]
    service.standin.wait_emails(people, timeout=30)
    assert service.wait("StatusText", bool)


def test_a_newcomer_gets_an_account(running):
    person = Person("newcomer")
    running.slapd.add_person(person, "umbrella")
    running.standin.wait_calls(11, "POST", r"/users$", timeout=30)
    assert running.standin.account(person.email)["role"] == "Read Only"


def test_the_sandbox_holds(running):
    processes = running.processes()
    assert running.pid() in processes
    for status in processes.values():
        assert status["CapEff"] == status["CapPrm"] == status["CapBnd"] == "0000000000000000", status
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
        assert status["Uid"].split()[0] != "0", status
    limits = running.container.run("cat", f"/proc/{running.pid()}/limits").stdout
    assert re.search(r"Max core file size +0 +0 ", limits), limits


def test_the_reader_confines_itself_further(running):
    def reader():
        return [status for status in running.processes().values() if status["Name"] == "idsyncd-directory"[:15]]
    running.slapd.freeze()
    try:
        status = wait_for(reader, 20, "a reader at work")[0]
        own = running.processes()[running.pid()]
        assert int(status["Seccomp_filters"]) > int(own["Seccomp_filters"])
    finally:
        running.slapd.thaw()


def test_the_state_is_private(running):
    state = host_path(running, "/var/lib/idsyncd")
    owner = os.stat(state).st_uid
    assert owner != 0
    assert os.stat(state).st_mode & 0o7777 == 0o700
    names = os.listdir(state)
    assert "idsyncd.db" in names
    for name in names:
        status = os.stat(f"{state}/{name}")
        assert status.st_mode & 0o077 == 0 and status.st_uid == owner, name


def test_no_secret_can_be_seen(running):
    secrets = [running.standin.secret, *running.standin.control("passwords")]
    pid = running.pid()
    seen = running.container.run("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline").stdout
    seen += repr(running.journal())
    state = host_path(running, "/var/lib/idsyncd")
    for name in os.listdir(state):
        with open(f"{state}/{name}", "rb") as file:
            seen += file.read().decode(errors="replace")
    assert not [secret for secret in secrets if secret in seen]


def test_the_journal_explains_itself(running, message_ids):
    started = running.wait_journal(f"MESSAGE_ID={message_ids['STARTED']}")
    assert started[0]["_SYSTEMD_UNIT"] == "idsyncd.service"
    text = running.container.run("journalctl", "-x", "--no-pager", f"MESSAGE_ID={message_ids['STARTED']}").stdout
    assert "Subject: Account synchronisation has started" in text
    assert "man:idsyncd(8)" in text
    done = running.container.run("journalctl", "-x", "--no-pager", f"MESSAGE_ID={message_ids['ACTION_DONE']}").stdout
    assert "Subject: Target umbrella: create done for p0000" in done, "the catalog's @FIELD@ is filled in"


def test_reload_takes_a_new_configuration(running, message_ids):
    pid, before = running.pid(), len(running.journal(f"MESSAGE_ID={message_ids['RELOADED']}"))
    running.config["directory"]["poll_interval"] = "2s"
    running.write_config()
    running.systemctl("reload")
    running.wait_journal(f"MESSAGE_ID={message_ids['RELOADED']}", more_than=before)
    assert running.pid() == pid
    running.wait("ActiveState", lambda state: state == "active")


def test_reload_refuses_a_bad_configuration(running, message_ids):
    pid, before = running.pid(), len(running.journal(f"MESSAGE_ID={message_ids['RELOAD_REFUSED']}"))
    running.write_config("directory = { poll_interval = 5; };\n")
    running.systemctl("reload", check=False)
    running.wait_journal(f"MESSAGE_ID={message_ids['RELOAD_REFUSED']}", more_than=before)
    assert running.pid() == pid and running.get("ActiveState") == "active"
    assert any(entry["MESSAGE"].startswith(f"{CONFIG}:1: ") for entry in running.journal()), "which line is wrong"


def test_a_hung_daemon_is_restarted(running):
    pid, restarts = running.pid(), int(running.get("NRestarts"))
    running.container.run("kill", "-STOP", str(pid), check=True)
    running.wait("NRestarts", lambda number: int(number) > restarts, timeout=30)
    running.wait("ActiveState", lambda state: state == "active")
    assert running.pid() != pid
    assert any("watchdog" in entry["MESSAGE"].lower() for entry in running.journal())


def test_a_killed_daemon_is_restarted_and_doubles_nothing(running):
    accounts = running.standin.emails()
    pid, restarts = running.pid(), int(running.get("NRestarts"))
    running.container.run("kill", "-KILL", str(pid), check=True)
    running.wait("NRestarts", lambda number: int(number) > restarts)
    running.wait("ActiveState", lambda state: state == "active")
    person = Person("after-the-kill")
    running.slapd.add_person(person, "umbrella")
    running.standin.wait_emails([*accounts, person.email], timeout=30)


def test_a_dead_directory_does_not_stop_a_boot(running, message_ids):
    accounts = running.standin.emails()
    before = len(running.journal(f"MESSAGE_ID={message_ids['READ_INCOMPLETE']}"))
    running.slapd.stop()
    try:
        running.systemctl("restart")
        assert running.get("ActiveState") == "active"
        running.wait_journal(f"MESSAGE_ID={message_ids['READ_INCOMPLETE']}", more_than=before, timeout=30)
        assert running.standin.emails() == accounts
    finally:
        running.slapd.start()
    person = Person("after-the-outage")
    running.slapd.add_person(person, "umbrella")
    running.standin.wait_emails([*accounts, person.email], timeout=60)


def test_a_wrong_configuration_fails_once_and_says_why(running):
    running.write_config("directory = { poll_interval = 5; };\n")
    restarts = int(running.get("NRestarts"))
    assert running.systemctl("restart", check=False).returncode != 0
    state = running.get("ActiveState", "Result", "NRestarts")
    assert state["ActiveState"] == "failed" and state["Result"] == "exit-code", state
    assert int(state["NRestarts"]) <= restarts, "it must not be tried again and again"
    assert any(entry["MESSAGE"].startswith(f"{CONFIG}:1: ") for entry in running.journal())


def test_a_missing_credential_is_named(running):
    credential = host_path(running, "/etc/idsyncd/credentials/umbrella-secret")
    os.rename(credential, credential + ".away")
    try:
        assert running.systemctl("restart", check=False).returncode != 0
        assert running.get("ActiveState") == "failed"
        assert any("umbrella-secret is empty; of a service: or LoadCredential= found no file" in entry["MESSAGE"]
                   for entry in running.journal()[-20:])
    finally:
        os.rename(credential + ".away", credential)


def test_it_stops_in_good_order(running, message_ids):
    before = len(running.journal(f"MESSAGE_ID={message_ids['STOPPING']}"))
    running.systemctl("stop")
    state = running.get("ActiveState", "Result", "ExecMainStatus")
    assert state == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    assert len(running.journal(f"MESSAGE_ID={message_ids['STOPPING']}")) == before + 1
