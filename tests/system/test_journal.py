# SPDX-License-Identifier: Apache-2.0
"""The journal as an interface: the fields of each line, the message ids, and no secrets."""

import re

import pytest

FIELDS = {"TARGET", "ACTION", "ACTION_ID", "CYCLE", "PERSON", "ACCOUNT", "REMOTE_ID", "OUTCOME", "HTTP_STATUS", "LDAP_RC",
          "ATTEMPT", "DURATION_USEC", "PLAN"}
KINDS = {"create", "adopt", "recreate", "update", "enable", "disable", "delete", "reset", "relink"}
NUMBERS = ("ACTION_ID", "CYCLE", "HTTP_STATUS", "LDAP_RC", "ATTEMPT", "DURATION_USEC")


@pytest.fixture
def once(journal, idsyncd):
    """once(*arguments) → (result, entries of idsyncd)."""
    def run(*arguments, log_target="journal"):
        result = idsyncd.run("--log-target", log_target, "--once", "--json", *arguments, wrap=journal.wrap())
        return result, journal.entries(SYSLOG_IDENTIFIER="idsyncd")
    return run


def own(entry):
    return {name[len("IDSYNC_"):]: value for name, value in entry.items() if name.startswith("IDSYNC_")}


def test_every_line_has_known_fields(once, message_ids):
    result, entries = once()
    assert result.code == 0, result
    assert entries
    for entry in entries:
        assert entry["MESSAGE"] and entry["PRIORITY"] in "01234567", entry
        fields = own(entry)
        assert set(fields) <= FIELDS, entry
        assert fields.get("ACTION", "create") in KINDS, entry
        for name in NUMBERS:
            assert re.fullmatch(r"-?\d+", fields.get(name, "0")), entry
        assert entry.get("MESSAGE_ID", message_ids["STARTED"]) in message_ids.values(), entry


def test_each_create_says_what_it_did(once, company, message_ids):
    result, entries = once()
    assert result.code == 0, result
    done = {fields["ACCOUNT"]: fields for entry in entries
            if entry.get("MESSAGE_ID") == message_ids["ACTION_DONE"] and (fields := own(entry))["ACTION"] == "create"}
    assert sorted(done) == sorted(person.email for person in company.people)
    for person in company.people:
        fields = done[person.email]
        assert fields["PERSON"] == person.id
        assert fields["TARGET"] == "umbrella"
        assert fields["OUTCOME"] == "ok"
        assert int(fields["ACTION_ID"]) > 0 and int(fields["CYCLE"]) > 0
        assert fields["REMOTE_ID"]


def test_a_held_plan_can_be_found_by_its_id(once, idsyncd, message_ids):
    idsyncd.config["first_plan"] = "hold"
    result, entries = once()
    assert result.code == 6, result
    held = [entry for entry in entries if entry.get("MESSAGE_ID") == message_ids["PLAN_HELD"]]
    assert [own(entry)["PLAN"] for entry in held] == [result.target()["hash"]]
    assert int(held[0]["PRIORITY"]) <= 5


def test_an_unreachable_directory_can_be_found_by_its_id(once, slapd, message_ids):
    slapd.stop()
    result, entries = once()
    assert result.code == 4, result
    incomplete = [entry for entry in entries if entry.get("MESSAGE_ID") == message_ids["READ_INCOMPLETE"]]
    assert incomplete and int(incomplete[0]["PRIORITY"]) <= 4
    assert "IDSYNC_LDAP_RC" in incomplete[0]


def test_no_secret_in_the_journal(once, idsyncd, standin, journal):
    result, entries = once()
    assert result.code == 0, result
    secrets = [secret for name, secret in idsyncd.credentials.items() if name != "umbrella-key"]
    secrets += standin.control("passwords")
    assert len(secrets) > 2
    for entry in journal.entries():
        text = repr(entry)
        assert not [secret for secret in secrets if secret in text], "a secret in the journal"


def test_auto_means_text_on_a_pipe(once):
    result, entries = once(log_target="auto")
    assert result.code == 0, result
    assert not entries
    assert result.err.strip()


def test_auto_means_fields_when_stderr_is_the_journal(journal, idsyncd, message_ids):
    idsyncd.config["first_plan"] = "hold"
    as_a_service = ["systemd-cat", "--identifier=other", "sh", "-c",
                    'JOURNAL_STREAM=$(stat --dereference --format=%d:%i /dev/stderr) exec "$@"', "sh"]
    run = idsyncd.run("--log-target", "auto", "--once", wrap=[*journal.wrap(), *as_a_service])
    assert run.code == 6, run
    assert journal.entries(SYSLOG_IDENTIFIER="idsyncd", MESSAGE_ID=message_ids["PLAN_HELD"])
