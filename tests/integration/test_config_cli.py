# SPDX-License-Identifier: Apache-2.0
"""Options, configuration, credentials, the state directory: what is refused, in which words, with which code."""

import os
import re
import shutil
import sqlite3
import subprocess
import time

import pytest

from lib import confwrite
from lib.company import PEOPLE, group_dn
from lib.process import wait_for


SOURCE = os.environ.get("IDSYNCD_SRCDIR") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


@pytest.fixture
def runner(make_idsyncd):
    """No directory and no API: nothing here may need them."""
    made = make_idsyncd()
    made.config["directory"]["uris"] = ["ldaps://ldap.invalid"]
    made.config["targets"] = [{
        "name": "umbrella", "type": "umbrella", "url": "https://api.invalid", "groups": [group_dn("umbrella")],
        "key_credential": "umbrella-key", "secret_credential": "umbrella-secret",
        "roles": [{"role": "Read Only"}]}]
    made.credentials |= {"umbrella-key": "key-of-nothing-11", "umbrella-secret": "secret-of-nothing-12"}
    return made


def check(runner, **options):
    return runner.run("--check-config", **options)


def problems(result):
    assert result.code == 3, result
    return [line for line in result.err.splitlines() if line.strip()]


# --- configuration ---

def test_right_configuration(runner):
    result = check(runner)
    assert result.code == 0 and result.out == "" and result.err == "", result


def examples():
    """Those of the manual page, the README and the sample, each made a whole configuration: (name, text)."""
    with open(f"{SOURCE}/man/idsyncd.conf.5.rst") as page_file, open(f"{SOURCE}/README.md") as readme_file:
        page, readme = page_file.read(), readme_file.read()
    blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", page)
    directories, targets, expect = ([block for block in blocks if block.lstrip().startswith(f"{key} =")]
                                    for key in ("directory", "targets", "expect"))
    assert len(directories) == 3 and len(targets) == len(expect) == 1
    yield from ((f"page-{i}", block + targets[0] + expect[0]) for i, block in enumerate(directories))
    text = re.search(r"```\n(directory = .*?)```", readme, re.DOTALL).group(1)
    yield "readme", text
    rows = [re.findall(r"`([^`]*)`", line) for line in readme.splitlines() if re.match(r"\| `(attributes|disabled)` ", line)]
    assert len(rows) == 2
    for i in (1, 2):
        yield f"readme-{i}", text.replace("{\n", "{\n" + "".join(f"{row[0]} = {row[i]};\n" for row in rows), 1)
    with open(f"{SOURCE}/conf/idsyncd.conf") as sample_file:
        sample = sample_file.read()
    yield "sample", sample
    primavera = re.search(r"^    ## (\{ name = .*?\n    ## \})$", sample, re.DOTALL | re.MULTILINE)
    target = re.sub(r"^    ##", "", primavera.group(1), flags=re.MULTILINE)
    yield "sample-primavera", sample.replace(primavera.group(), f", {target}")


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in examples()])
def test_examples(runner, text):
    runner.credentials |= {name: "of-nothing" for name in ("ldap-password", "primavera-user", "primavera-password")}
    runner.write()
    with open(runner.config_path, "w") as out:
        out.write(text)
    result = check(runner, write=False)
    assert result.code == 0 and result.out == result.err == "", result


TEN_MISTAKES = """directory = {{
  uris = [ "ldaps://ldap.invalid", "http://ldap.invalid" ];
  ca_file = "{ca}";
  bind = {{ method = "simple"; dn = "cn=idsyncd,dc=example,dc=com"; password_credential = "ldap-password"; }};
  people = {{ base = "{people}"; filter = "(objectClass=inetOrgPerson"; scope = "everything"; }};
  page_size = "many";
  poll_intervall = "5min";
  timeout = "soon";
}};
targets = ( {{
  name = "umbrella"; type = "umbrella";
  key_credential = "umbrella-key"; secret_credential = "umbrella-secret";
  groups = [ "no DN at all" ];
  roles = ( {{ role = "Read Only"; }} );
  limits = {{ create = -1; percent = 101; }};
  leave = "disable";
}} );
"""


def test_ten_mistakes(runner):
    text = TEN_MISTAKES.format(ca="/etc/ssl/certs/ca-certificates.crt", people=PEOPLE)
    runner.write()
    with open(runner.config_path, "w") as out:
        out.write(text)
    for arguments in (["--check-config"], ["--once"], []):
        result = runner.run(*arguments, write=False)
        found = problems(result)
        assert len(found) == 10, result
        assert all(re.match(rf"{re.escape(runner.config_path)}:\d+: [a-z_.\[\]0-9]+: .", line) for line in found)
    at = {int(line.split(":")[1]): line.split(": ", 1)[1] for line in found}
    assert sorted(int(line.split(":")[1]) for line in found) == [2, 5, 5, 6, 7, 8, 13, 15, 15, 16]
    assert "directory.uris" in at[2] and "poll_interval" in at[7].split(": ", 1)[1], "the nearest key is named"
    assert os.listdir(runner.state) == [], "nothing was touched"


@pytest.mark.parametrize("change, words", [
    (lambda c: c.update(first_plan="maybe"), 'first_plan: .*hold.*apply'),
    (lambda c: c.update(colour="blue"), "colour: "),
    (lambda c: c["directory"].update(poll_interval="10ms"), "directory.poll_interval: .*1s"),
    (lambda c: c["directory"].pop("uris"), "directory.uris: "),
    (lambda c: c["directory"]["people"].pop("filter"), "directory.people.filter: "),
    (lambda c: c.pop("targets"), "targets: "),
    (lambda c: c["targets"][0].pop("groups"), "groups: "),
    (lambda c: c["targets"][0].pop("roles"), "roles: "),
    (lambda c: c["targets"][0].update(type="umbrela"), "type: .*umbrella"),
    (lambda c: c["targets"][0].update(url="http://api.invalid"), "url: .*https"),
    (lambda c: c["targets"][0].update(password_reset=True), "password_reset: .*organization"),
    (lambda c: c["targets"].append(c["targets"][0]), "name: .*umbrella.*already"),
    (lambda c: c["directory"].update(uris=["ldap://ldap.invalid"]), "insecure|starttls"),
    (lambda c: c["targets"][0].update(timeout=30), "timeout: "),
    (lambda c: c["targets"][0].update(max_listing="64 elephants"), "max_listing: "),
])
def test_one_mistake(runner, change, words):
    change(runner.config)
    found = problems(check(runner))
    assert len(found) == 1 and re.search(words, found[0]), found


def test_syntax_error_is_one_line(runner):
    runner.write()
    with open(runner.config_path, "a") as out:
        out.write('\nfirst_plan = "hold;\n')
    found = problems(check(runner, write=False))
    assert len(found) == 1 and re.search(rf"{re.escape(runner.config_path)}:\d+: ", found[0]), found


def test_no_configuration(runner):
    result = runner.run("--check-config", options=["--config", f"{runner.home}/none.conf"])
    assert len(problems(result)) == 1 and "none.conf" in result.err


@pytest.mark.parametrize("spoil, words", [
    (lambda path: os.chmod(path, 0o644), "everybody"),
    (lambda path: os.chmod(path, 0o604), "everybody"),
    (lambda path: open(path, "w").close(), "empty"),
    (lambda path: open(path, "wb").write(b"one\ntwo\n"), "line"),
    (lambda path: open(path, "wb").write(b"a\0b"), "NUL"),
    (lambda path: open(path, "wb").write(b"x" * 4097), "4 KiB|4096|larger|long"),
    (os.unlink, "umbrella-secret"),
])
def test_bad_credential(runner, spoil, words):
    runner.write()
    spoil(f"{runner.credentials_dir}/umbrella-secret")
    for arguments in (["--check-config"], ["--once"]):
        found = problems(runner.run(*arguments, write=False))
        assert len(found) == 1 and "umbrella-secret" in found[0] and re.search(words, found[0]), found


def test_credential_with_one_line_end(idsyncd, standin):
    for end in ("\n", "\r\n"):
        idsyncd.credentials["umbrella-secret"] = standin.secret + end
        idsyncd.once(expect=0)
    os.chmod(f"{idsyncd.credentials_dir}/umbrella-secret", 0o440)   # systemd shows an ACL like that
    idsyncd.once(expect=0, write=False)


# --- options ---

@pytest.mark.parametrize("arguments, words", [
    (["--frobnicate"], "--frobnicate"),
    (["--once", "surplus"], "surplus"),
    (["--dry-run"], "--once"),
    (["--json"], "--once or --check"),
    (["--full"], "--once"),
    (["--wait", "5s"], "--once"),
    (["--approve", "0123456789ab"], "--once"),
    (["--once", "--approve", "123"], "12"),
    (["--once", "--approve", "0123456789AB"], "12"),
    (["--once", "--wait", "soon"], "soon"),
    (["--once", "--wait"], "--wait"),
    (["--once", "--check-config"], "--check-config"),
    (["--once", "--dry-run", "--approve", "0123456789ab"], "--approve"),
    (["--log-level", "loud"], "loud"),
    (["--log-target", "moon"], "moon"),
])
def test_usage(runner, arguments, words):
    result = runner.run(*arguments)
    assert result.code == 2 and result.out == "" and len(result.err.splitlines()) == 1, result
    assert words in result.err
    assert os.listdir(runner.state) == []


def test_help_and_version(runner):
    for option in ("--help", "-h"):
        result = runner.run(option, options=[])
        assert result.code == 0 and result.err == "" and "--check-config" in result.out, result
    result = runner.run("--version", options=[])
    assert result.code == 0 and re.fullmatch(r"idsyncd \d+\.\d+\.\d+\n", result.out)


def test_environment_instead_of_options(idsyncd, standin):
    result = idsyncd.run("--once", options=["-c", idsyncd.config_path],
                         env={"STATE_DIRECTORY": idsyncd.state, "CREDENTIALS_DIRECTORY": idsyncd.credentials_dir})
    assert result.code == 0 and len(standin.emails()) == 10, result


def test_defaults_that_are_not_there(runner):
    result = runner.run("--check-config", options=[])
    assert result.code == 3 and "idsyncd.conf" in result.err


# --- the state directory ---

def test_locked(idsyncd, standin):
    daemon = idsyncd.start()
    daemon.wait_for(lambda: len(standin.emails()) == 10)
    for arguments, way_out in ((["--once"], "idsyncctl sync\n"), (["--once", "--full"], "idsyncctl sync --full\n"),
                               (["--once", "--dry-run"], "idsyncctl plan\n"), ([], "stop it first\n"),
                               (["--once", "--approve", "0123456789ab"], "idsyncctl approve\n")):
        result = idsyncd.run(*arguments)
        assert result.code == 7 and str(daemon.pid) in result.err and way_out in result.err, result
    assert daemon.terminate() == 0
    idsyncd.once(expect=0)


def test_no_state_directory(idsyncd, standin):
    os.rmdir(idsyncd.state)
    open(idsyncd.state, "w").close()
    result = idsyncd.once(expect=7)
    assert idsyncd.state in result.err and standin.ledger() == []


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be looked at " * 100,
                                     b"SQLite format 3\0" + b"\xff" * 8000])
def test_damaged_database(idsyncd, standin, content):
    with open(f"{idsyncd.state}/idsyncd.db", "wb") as out:
        out.write(content)
    os.chmod(f"{idsyncd.state}/idsyncd.db", 0o600)
    for arguments in (["--once"], []):
        result = idsyncd.run(*arguments)
        assert result.code == 7 and "idsyncd.db" in result.err, result
    with open(f"{idsyncd.state}/idsyncd.db", "rb") as kept:
        assert kept.read() == content, "set aside only by a person"
    assert standin.ledger() == []


def test_database_of_a_later_version(idsyncd, standin):
    idsyncd.once(expect=0)
    with sqlite3.connect(f"{idsyncd.state}/idsyncd.db") as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    standin.clear_ledger()
    result = idsyncd.once(expect=7)
    assert "9999" in result.err or "newer" in result.err or "later" in result.err, result
    assert standin.ledger() == []


@pytest.fixture
def small_disk(idsyncd):
    """The state directory on a disk of its own, as large as the test says."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")

    def mount(size):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", idsyncd.state],
                              capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no tmpfs: {done.stderr}")
    yield mount
    idsyncd.cleanup()
    subprocess.run(["umount", "-l", idsyncd.state], check=False, capture_output=True)


def fill_up(path):
    with open(path, "wb", buffering=0) as out:
        for size in (4096, 512, 1):
            try:
                while out.write(b"x" * size) == size:
                    pass
            except OSError:
                pass


def unrecorded(standin, runner):
    """Addresses for which a POST went out and of which the database doesn't know that."""
    made = {c["body"]["email"] for c in standin.calls("POST", "/users$")}
    copy = f"{runner.home}/copy"        # where there is room for SQLite's own files
    shutil.copytree(runner.state, copy, ignore=shutil.ignore_patterns("filler", "*-shm"), dirs_exist_ok=True)
    with sqlite3.connect(f"{copy}/idsyncd.db") as db:
        begun = {row[0] for row in db.execute("SELECT address FROM action WHERE state != 'waiting'")}
    db.close()
    shutil.rmtree(copy)
    return made - begun


def test_read_only_state(idsyncd, standin, small_disk):
    small_disk("16m")
    subprocess.run(["mount", "-o", "remount,ro", idsyncd.state], check=True)
    result = idsyncd.once(expect=7)
    assert idsyncd.state in result.err and standin.ledger() == []


def test_limit_of_file_size(idsyncd, standin):
    result = idsyncd.once(expect=7, wrap=["prlimit", f"--fsize={100 * 1024}"])
    assert "idsyncd.db: disk I/O error" in result.err and standin.calls("POST", "/users$") == []
    idsyncd.once(expect=0)


@pytest.mark.company(people=60)
def test_full_disk(idsyncd, standin, small_disk):
    """It fills up at some point of the run: what isn't recorded isn't sent."""
    idsyncd.target["limits"] = {"create": 100}
    small_disk("16m")
    idsyncd.once("--dry-run", expect=1)
    filler = f"{idsyncd.state}/filler"
    for left in (0, 40, 120, 250, 400):       # KiB
        fill_up(filler)
        size = os.path.getsize(filler)
        os.truncate(filler, max(0, size - left * 1024))
        result = idsyncd.run("--once", "--json", "--wait", "0s")
        if result.code == 0:
            break
        # In the round after one that was stopped amid its calls the target may still be parked.
        assert result.code == 7 or (result.code == 5 and left > 250), result
        assert result.code == 5 or re.search("full|no space", result.err, re.IGNORECASE), result
        assert unrecorded(standin, idsyncd) == set()
    os.unlink(filler)
    idsyncd.once(expect=0)
    made = [c["body"]["email"] for c in standin.calls("POST", "/users$") if c["handled"]]
    assert len(made) == len(set(made)) == 60 == len(standin.emails())


def test_daemon_on_a_full_disk(idsyncd, standin, small_disk):
    """It says so, sends nothing, and goes on when there is room."""
    small_disk("16m")
    idsyncd.once("--dry-run", expect=1)
    filler = f"{idsyncd.state}/filler"
    fill_up(filler)
    daemon = idsyncd.start(ready=False)
    wait_for(lambda: daemon.process.poll() is not None or "full" in daemon.log().lower() or
             "space" in daemon.log().lower(), 10, "a line")
    assert not standin.calls("POST", "/users$")
    time.sleep(1)
    if daemon.process.poll() is not None:
        assert daemon.process.returncode == 7
        os.unlink(filler)
        daemon = idsyncd.start()
    else:
        assert daemon.cpu() < 2
        daemon.wait_status("the last read failed: the store failed: .*(full|space)")
        os.unlink(filler)
    daemon.wait_for(lambda: len(standin.emails()) == 10, 20, "recovery")
    assert daemon.terminate() == 0


def test_reader_is_missing(idsyncd, standin):
    result = idsyncd.once(env={"IDSYNCD_LIBEXECDIR": f"{idsyncd.home}/nowhere"})
    assert result.code in (4, 70) and "idsyncd-directory" in result.err and standin.ledger() == [], result


def test_configuration_writer_is_read_as_meant(runner):
    """libconfig's own escapes, includes and comments."""
    runner.config["directory"]["people"]["filter"] = '(&(objectClass=person)(cn=a\\2ab"c))'
    assert check(runner).code == 0
    runner.config["note"] = confwrite.Raw("1; # a comment\n// another")
    assert len(problems(check(runner))) == 1
