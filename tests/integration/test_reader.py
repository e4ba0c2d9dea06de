# SPDX-License-Identifier: Apache-2.0
"""idsyncd-directory by itself, against slapd and against a server that misbehaves (lib/fakeldap.py)."""

import os
import re
import resource
import socket
import struct
import subprocess
import time
import uuid

import pytest

from lib.company import BIND_DN, BIND_PASSWORD, GROUPS, PEOPLE, SUFFIX, Company, Person, group_dn
from lib.daemon import find_binary, find_secrets
from lib.fakeldap import FakeLdap, done, entry, reference
from lib.process import scaled, spawn, wait_for


def groups_of(*names):
    return [{"name": "umbrella", "type": "umbrella", "key_credential": "umbrella-key",
             "secret_credential": "umbrella-secret", "groups": [group_dn(name) for name in names],
             "roles": [{"role": "Read Only"}]}]


@pytest.fixture
def make_reader(make_idsyncd):
    """make_reader(slapd, groups) → the runner; .directory is the section of the configuration."""
    def make(slapd=None, groups=("umbrella",), **directory):
        runner = make_idsyncd(slapd)
        runner.config["targets"] = groups_of(*groups)
        runner.directory = runner.config["directory"]
        runner.directory.update(directory)
        return runner
    return make


@pytest.fixture
def reader(make_reader, slapd):
    return make_reader(slapd)


@pytest.fixture
def make_fake():
    made = []

    def make(answer, **settings):
        made.append(FakeLdap(answer, **settings))
        return made[-1]
    yield make
    for server in made:
        server.close()


@pytest.fixture
def read_fake(make_fake, make_reader):
    """read_fake(answer, groups=…, …) → the result of a read from a FakeLdap."""
    def read(answer, groups=(), paging=True, **directory):
        server = make_fake(answer, paging=paging)
        directory = {"insecure": True, "timeout": "2s", **directory}
        result = make_reader(groups=groups, uris=[server.uri], **directory).reader()
        result.searches = server.searches
        return result
    return read


def people(result):
    """The records that were printed: {uid: {name: [values]}}."""
    found = {}
    for block in result.out.strip().split("\n\n") if result.out.strip() else []:
        record = {}
        for line in block.splitlines():
            name, _, value = line.partition(": ")
            record.setdefault(name, []).append(value)
        found[record["dn"][0].split(",")[0].partition("=")[2]] = record
    return found


def members(result, group):
    return sorted(uid for uid, record in people(result).items() if group_dn(group) in record.get("group", []))


def ways(result):
    return {uid: sorted(record["way"]) for uid, record in people(result).items() if "way" in record}


def error(result, code=4):
    assert result.code == code, result
    return result.err


# --- what is read ---

def test_everybody(reader, company):
    result = reader.reader()
    assert result.code == 0, result
    found = people(result)
    assert len(found) == 10
    for person in company.people:
        record = found[person.uid]
        assert record["id"] == [person.id]
        assert record["login"] == [person.uid]
        assert record["email"] == [person.email]
        assert record["first_name"] == [person.first]
        assert record["last_name"] == [person.last]
    assert members(result, "umbrella") == sorted(p.uid for p in company.people)
    assert re.search(r"complete: 10 people from ldaps://127\.0\.0\.1:\d+ in .* 0 entries without an id, 0 referrals",
                     result.err)
    assert f"group {group_dn('umbrella')}: found, 10 members" in result.err


@pytest.mark.company(people=3)
def test_starttls(reader, slapd):
    reader.directory.update(uris=[slapd.ldap], starttls=True)
    assert len(people(reader.reader())) == 3
    slapd.wait_log(r"STARTTLS")
    slapd.wait_log(r"TLS established")


@pytest.mark.company(people=3)
def test_ldapi_external(reader, slapd):
    reader.directory.update(uris=[slapd.ldapi], bind={"method": "external"})
    result = reader.reader()
    assert result.code == 0 and len(people(result)) == 3, result


@pytest.mark.company(people=3)
def test_plain_only_if_meant(reader, slapd):
    reader.directory.update(uris=[slapd.ldap])
    assert reader.reader().code == 3
    reader.directory["insecure"] = True
    assert len(people(reader.reader())) == 3


@pytest.mark.company(people=2300)
def test_pages(reader, slapd):
    reader.directory["page_size"] = 100
    result = reader.reader()
    assert result.code == 0 and len(people(result)) == 2300, result
    wait_for(lambda: len([s for s in slapd.searches(PEOPLE) if s[2] == "2"]) == 23, what="23 pages")


def test_several_values(reader, slapd, company):
    person = company.people[0]
    slapd.modify(person.dn, mail=["z@example.com", "m@example.com", "n@example.com"], uid=["aaa", person.uid, "zzz"])
    record = people(reader.reader())[person.uid]
    assert record["email"] == ["m@example.com"]
    assert record["login"] == [person.uid]


def test_unreadable_values(reader, slapd, company):
    slapd.modify(company.people[0].dn, audio=b"\xff\xfe")
    slapd.modify(company.people[1].dn, audio=b"a\0b")
    slapd.modify(company.people[2].dn, description="x" * 1025)
    slapd.modify(company.people[3].dn, description="y" * 1024)
    reader.directory["attributes"] = {"employee_number": "audio", "timezone": "description"}
    result = reader.reader()
    assert result.code == 0
    found = people(result)
    assert found[company.people[0].uid]["unreadable"] == ["employee_number"]
    assert found[company.people[1].uid]["unreadable"] == ["employee_number"]
    assert found[company.people[2].uid]["unreadable"] == ["timezone"]
    assert found[company.people[3].uid]["timezone"] == ["y" * 1024]
    assert "unreadable" not in found[company.people[3].uid]


def test_printed_safely(reader, slapd, company):
    slapd.modify(company.people[0].dn, description="two\nlines \x1b[31m")
    reader.directory["attributes"] = {"timezone": "description"}
    assert "\x1b" not in reader.reader().out
    assert len(people(reader.reader())) == 10


def test_entries_without_an_id(reader):
    reader.directory["attributes"] = {"id": "nsUniqueId"}
    result = reader.reader()
    assert result.code == 0 and not result.out
    assert "complete: 0 people" in result.err and "10 entries without an id" in result.err


def test_disabled_and_password_signal(reader, slapd, company):
    slapd.modify(company.people[0].dn, employeeType="left")
    slapd.modify(company.people[1].dn, employeeType="here", departmentNumber="TRUE")
    reader.directory.update(disabled={"attribute": "employeeType", "when": "value:LEFT"},
                            password_reset={"attribute": "departmentNumber", "when": "true"})
    found = people(reader.reader())
    assert found[company.people[0].uid]["disabled"] == ["yes"]
    assert "disabled" not in found[company.people[1].uid]
    assert found[company.people[1].uid]["password_reset"] == ["TRUE"]


def test_references_are_counted(reader, slapd):
    slapd.add(f"cn=elsewhere,{PEOPLE}", {"objectClass": ["referral", "extensibleObject"], "cn": "elsewhere",
                                         "ref": f"ldap://127.0.0.1:1/{PEOPLE}"})
    result = reader.reader()
    assert result.code == 0 and len(people(result)) == 10, result
    assert "1 referrals" in result.err and "aren't followed" in result.err


def test_canaries(reader, company):
    reader.directory["canaries"] = [company.people[3].dn.upper()]
    assert reader.reader().code == 0
    reader.directory["canaries"] += [f"uid=nobody,{PEOPLE}"]
    text = error(reader.reader())
    assert f"uid=nobody,{PEOPLE} isn't among the people (directory.canaries)" in text and "incomplete: 10" in text


# --- groups ---

def test_group_not_there(make_reader, slapd):
    result = make_reader(slapd, groups=("umbrella", "nothere")).reader()
    assert result.code == 0
    assert f"group {group_dn('nothere')}: not there, 0 members" in result.err
    assert not members(result, "nothere") and len(members(result, "umbrella")) == 10


def add_group(slapd, name, *dns):
    slapd.add(group_dn(name), {"objectClass": "groupOfNames", "cn": name, "member": list(dns)})


def test_nested_groups_and_a_circle(make_reader, slapd, company):
    one, two, three = (p.dn for p in company.people[:3])
    add_group(slapd, "outer", group_dn("middle"), one)
    add_group(slapd, "middle", group_dn("Inner"), two)
    add_group(slapd, "inner", group_dn("outer"), three, f"cn=dangling,{GROUPS}")
    result = make_reader(slapd, groups=("outer", "inner", "umbrella-admins")).reader()
    assert result.code == 0, result
    everyone = sorted(p.uid for p in company.people[:3])
    assert members(result, "outer") == everyone
    assert members(result, "inner") == everyone
    assert members(result, "umbrella-admins") == [company.people[0].uid]
    # By the shortest way, in the directory's spelling; those whom the group names need none.
    assert ways(result) == {
        company.people[0].uid: [" > ".join(map(group_dn, ("inner", "outer")))],
        company.people[1].uid: sorted(" > ".join(map(group_dn, way))
                                      for way in (("outer", "middle"), ("inner", "outer", "middle"))),
        company.people[2].uid: [" > ".join(map(group_dn, ("outer", "middle", "inner")))]}
    assert f"group {group_dn('outer')}: found, 7 members" in result.err


@pytest.mark.company(people=40)
def test_nested_groups_in_a_crowd(make_reader, slapd, company):
    """Where many members stand in one container, its groups are listed instead of looking at each member."""
    for n in range(20):
        add_group(slapd, f"team-{n}", company.people[n].dn)
    slapd.add(f"cn=odd,{PEOPLE}", {"objectClass": "groupOfNames", "cn": "odd", "member": company.people[30].dn})
    add_group(slapd, "all", *[group_dn(f"team-{n}") for n in range(19)], f"cn=odd,{PEOPLE}",
              *[p.dn for p in company.people[21:30]])
    add_group(slapd, "other", group_dn("team-19"))
    result = make_reader(slapd, groups=("all",)).reader()
    assert result.code == 0, result
    assert members(result, "all") == sorted(p.uid for p in company.people[:19] + company.people[21:31])
    looked_at = [s for s in slapd.searches() if s[1].startswith("uid=") and "p000" in s[1]]
    assert len(looked_at) <= 8, looked_at


def test_posix_and_unique_members(make_reader, slapd, company):
    one, two, three = company.people[:3]
    slapd.add(group_dn("posix"), {"objectClass": "posixGroup", "cn": "posix", "gidNumber": "7",
                                  "memberUid": [one.uid.upper(), "stranger"]})
    slapd.add(group_dn("unique"), {"objectClass": "groupOfUniqueNames", "cn": "unique",
                                   "uniqueMember": [two.dn, f"{three.dn}#'0101'B"]})
    result = make_reader(slapd, groups=("posix", "unique")).reader()
    assert members(result, "posix") == [one.uid]
    assert members(result, "unique") == sorted([two.uid, three.uid])


def test_names_with_escapes(make_reader, slapd):
    odd = Person("odd")
    odd.dn = f"cn=Doe\\, Ján + uid=odd,{PEOPLE}"
    odd.attributes = {"cn": "Doe, Ján"}
    slapd.add(odd.dn, {"objectClass": "inetOrgPerson", "uid": "odd", "cn": "Doe, Ján", "sn": "Doe",
                       "mail": "odd@example.com"})
    add_group(slapd, "odd", f"UID=ODD+CN=doe\\2C jÁn,{PEOPLE}")
    result = make_reader(slapd, groups=("odd",)).reader()
    assert result.code == 0 and result.out.count(f"group: {group_dn('odd')}") == 1, result


def protect(slapd, dn, rights):
    slapd.configure(olcAccess=[f'{{0}}to dn.exact="{dn}" by dn.exact="{BIND_DN}" {rights} by * none',
                               f'{{1}}to * by dn.exact="{BIND_DN}" read by * auth'])


def test_group_that_may_not_be_read(reader, slapd):
    protect(slapd, group_dn("umbrella"), "disclose")
    text = error(reader.reader())
    assert f"the group {group_dn('umbrella')} can't be read: Insufficient access (50)" in text
    assert "incomplete: 0 people" in text


def test_member_that_may_not_be_read(make_reader, slapd):
    """It may be a group: to read on would be to take its members for leavers."""
    add_group(slapd, "secret", f"uid=p00000,{PEOPLE}")
    add_group(slapd, "outer", group_dn("secret"))
    protect(slapd, group_dn("secret"), "disclose")
    assert "a group's member" in error(make_reader(slapd, groups=("outer",)).reader())


# --- servers and TLS ---

def test_next_server(reader, slapd):
    reader.directory["uris"] = ["ldaps://127.0.0.1:1", "ldaps://nosuchhost.invalid", slapd.ldaps]
    result = reader.reader()
    assert result.code == 0 and len(people(result)) == 10
    assert "warning: ldaps://127.0.0.1:1: connecting to 127.0.0.1 port 1 failed: Connection refused" in result.err
    assert "warning: ldaps://nosuchhost.invalid: the name nosuchhost.invalid can't be resolved" in result.err


def test_no_server(reader, slapd):
    slapd.stop()
    reader.directory["uris"] = ["ldaps://127.0.0.1:1", slapd.ldaps]
    text = error(reader.reader())
    assert "unreachable: 0 people" in text
    assert "ldaps://127.0.0.1:1: connecting" in text and f"{slapd.ldaps}: connecting" in text


@pytest.mark.parametrize("starttls", [False, True])
def test_wrong_ca(reader, slapd, starttls):
    reader.directory["ca_file"] = f"{slapd.ca}/other-root.pem"
    if starttls:
        reader.directory.update(uris=[slapd.ldap], starttls=True)
    text = error(reader.reader())
    assert "certificate verification failed (for localhost, standin.test, 127.0.0.1, ::1; CA file " in text
    assert "other-root.pem): no CA in that file has signed it" in text
    with open(slapd.log_path) as log:
        assert f'BIND dn="{BIND_DN}"' not in log.read()


def test_ca_file_missing(reader):
    reader.directory["ca_file"] = "/nonexistent/ca.pem"
    text = reader.reader()
    assert text.code in (3, 4) and "/nonexistent/ca.pem" in text.err


@pytest.mark.parametrize("certificate, reason", [
    ("wrong-host", "it is for elsewhere.test, not for 127.0.0.1"),
    ("expired", "the server's certificate ended on 20"),
    ("other-ca", "no CA in that file has signed it"),
])
def test_bad_certificate(make_slapd, make_reader, certificate, reason):
    assert reason in error(make_reader(make_slapd(certificate=certificate)).reader())


def test_old_tls_is_refused(make_slapd, make_reader):
    slapd = make_slapd(extra="TLSCipherSuite NORMAL:-VERS-ALL:+VERS-TLS1.1")
    assert "TLS handshake failed" in error(make_reader(slapd).reader())


def test_settings_of_libldap_are_ignored(reader, slapd):
    reader.directory["ca_file"] = f"{slapd.ca}/other-root.pem"
    for name in (".ldaprc", "ldaprc"):
        with open(f"{reader.home}/{name}", "w") as out:
            out.write("TLS_REQCERT never\n")
    text = error(reader.reader(env={"LDAPTLS_REQCERT": "never", "LDAPRC": f"{reader.home}/ldaprc"}))
    assert "certificate verification failed" in text


def test_wrong_password(reader):
    reader.credentials["ldap-password"] = "not-this-one-5512"
    text = error(reader.reader())
    assert f"the bind as {BIND_DN} was refused: Invalid credentials (49)" in text
    assert "directory.bind.password_credential" in text and "unreachable" in text


def test_localhost_is_explained(reader, slapd):
    reader.directory["uris"] = [slapd.ldaps.replace("127.0.0.1", "localhost")]
    result = reader.reader()
    if result.code != 0:        # where the machine isn't called localhost itself
        assert "write 127.0.0.1" in error(result)


@pytest.mark.parametrize("scheme, starttls", [("ldaps", False), ("ldap", True)])
def test_server_that_says_nothing(make_reader, scheme, starttls):
    """Within the time-out, and without using the CPU."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        uri = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = make_reader(uris=[uri], starttls=starttls, timeout="2s").reader()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Timed out (-5)" in error(result)
    assert 1.5 < result.seconds < scaled(6)
    assert after.ru_utime - before.ru_utime < scaled(0.5)


# --- limits and breaks ---

def test_size_limit(reader, slapd):
    slapd.limit_reader("size=5")
    text = error(reader.reader())
    assert "Size limit exceeded (4)" in text and "incomplete" in text
    assert f'limits dn.exact="{BIND_DN}" size=unlimited size.pr=unlimited size.prtotal=unlimited' in text


def test_limit_of_all_pages(reader, slapd):
    slapd.limit_reader("size=unlimited size.prtotal=5")
    text = error(reader.reader())
    assert "incomplete" in text and "size.prtotal=unlimited" in text
    assert f'limits dn.exact="{BIND_DN}" size=unlimited' in text


def test_wrong_base(reader):
    reader.directory["people"]["base"] = f"ou=nowhere,{SUFFIX}"
    text = error(reader.reader())
    assert "No such object (32" in text and "check directory.people.base" in text


class Running:
    """The reader, held back by a full pipe after its first records."""

    def __init__(self, reader):
        reader.write()
        self.process = spawn([find_binary("idsyncd-directory"), "--config", reader.config_path, "--credentials",
                              reader.credentials_dir, "--text"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=reader._environment())
        self.head = self.process.stdout.read(4096)

    def finish(self):
        out, err = self.process.communicate(timeout=scaled(20))
        return self.process.returncode, (self.head + out).decode(), err.decode()


@pytest.mark.company(people=4000)
def test_server_stops_answering(reader, slapd):
    reader.directory["timeout"] = "2s"
    running = Running(reader)
    slapd.freeze()
    start = time.monotonic()
    code, out, err = running.finish()
    slapd.thaw()
    assert code == 4 and "no answer within 2s" in err and "incomplete" in err, err
    assert 1.5 < time.monotonic() - start < scaled(8)
    assert out.count("\nid: ") < 4000


@pytest.mark.company(people=4000)
def test_server_dies(reader, slapd):
    running = Running(reader)
    slapd.kill()
    code, out, err = running.finish()
    assert code == 4 and "the connection was lost" in err and "incomplete" in err, err


@pytest.mark.company(people=4000)
def test_what_a_taken_over_reader_could_do(reader):
    """Confined, not dumpable, and the secret is in no place that others can look at."""
    running = Running(reader)
    pid = running.process.pid
    with open(f"/proc/{pid}/status") as source:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in source if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert not find_secrets([BIND_PASSWORD], pids=[pid])
    code, _, err = running.finish()
    assert code == 0
    if "Landlock isn't available" not in err:      # an old kernel, which is said
        assert "notice" not in err, err


class Stream:
    """idsyncd's end of the socket, with the real reader at the other (the grammar: daemon/directory/stream.h)."""

    def __init__(self, uri, ca, timeout=20):
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(scaled(20))
        self.process = spawn([find_binary("idsyncd-directory"), "--stream", str(theirs.fileno())], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()
        self.socket.sendall(b"idsyncd\1" + self.settings(uri, ca, timeout))

    @staticmethod
    def settings(uri, ca, timeout):
        def text(value):
            return struct.pack("<I", len(value.encode())) + value.encode() + b"\0"

        def listed(*items):
            return struct.pack("<I", len(items)) + b"".join(map(text, items))
        names = ("entryUUID", "uid", "mail", "givenName", "sn", "", "")
        body = (b"\1\0" + text(BIND_DN) + listed(uri) + b"\0\1" + text(ca) + text(PEOPLE) + b"\2"
                + text("(objectClass=inetOrgPerson)") + b"".join(map(text, names))
                + text("") + b"\0" + text("") + struct.pack("<Q", 0) + text("") + b"\0"
                + struct.pack("<IQ", 100, timeout * 1000000) + listed() + listed(group_dn("umbrella"))
                + struct.pack("<I", 0) + text(BIND_PASSWORD))
        return struct.pack("<I", len(body)) + body

    def receive(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def records(self):
        """(type, body) of each, to the end of the stream."""
        assert self.receive(8) == b"idsyncd\1"
        while True:
            try:
                size, = struct.unpack("<I", self.receive(4))
            except EOFError:
                return
            body = self.receive(size)
            yield body[0], body[1:]


@pytest.mark.company(people=3000)
def test_stream(slapd):
    """Somebody who reads slowly gets everything; the password is in no place that others can look at."""
    stream = Stream(slapd.ldaps, f"{slapd.ca}/ca.pem", timeout=2)
    time.sleep(3)
    assert not find_secrets([BIND_PASSWORD], pids=[stream.process.pid])
    types = [kind for kind, _ in stream.records()]
    assert types.count(0x10) == 3000 and types[-1] == 0x1f and types.count(0x1f) == 1
    assert 0x12 not in types        # nothing to say: the kernel confines it
    assert stream.process.wait(scaled(5)) == 0


@pytest.mark.company(people=3000)
def test_ends_when_idsyncd_is_gone(slapd):
    """At once when it writes, and within moments while it waits for the server."""
    stream = Stream(slapd.ldaps, f"{slapd.ca}/ca.pem")
    stream.receive(1000)
    stream.socket.close()
    assert stream.process.wait(scaled(10)) == 4
    slapd.freeze()
    stream = Stream(slapd.ldap, "")
    time.sleep(1)
    assert stream.process.poll() is None
    stream.socket.close()
    assert stream.process.wait(scaled(10)) == 4
    slapd.thaw()


def test_settings_that_cannot_be(slapd):
    stream = Stream(slapd.ldaps, "")
    stream.process.kill()
    stream.socket, theirs = socket.socketpair()
    process = spawn([find_binary("idsyncd-directory"), "--stream", str(theirs.fileno())], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=[theirs.fileno()])
    theirs.close()
    stream.socket.sendall(b"idsyncd\2")
    _, err = process.communicate(timeout=scaled(5))
    assert process.returncode == 70 and b"different versions" in err


# --- usage ---

@pytest.mark.parametrize("options", [[], ["--text", "--stream", "3"], ["--txt"], ["--config"], ["--stream", "x"]])
def test_usage(reader, options):
    assert reader.run(program="idsyncd-directory", options=options).code == 2


def test_help(reader):
    for option in ("--help", "--version"):
        result = reader.run(option, program="idsyncd-directory", options=[])
        assert result.code == 0 and "idsyncd-directory" in result.out


def test_no_credentials(reader):
    del reader.credentials["ldap-password"]
    result = reader.reader()
    assert result.code == 3 and "ldap-password" in result.err
    assert reader.run("--text", program="idsyncd-directory", options=["--config", reader.config_path]).code == 3


def test_bad_configuration(reader):
    reader.directory["page_sise"] = 7
    result = reader.reader()
    assert result.code == 3 and "page_size" in result.err


# --- servers that slapd isn't ---

def one(uid, **attributes):
    return entry(f"uid={uid},{PEOPLE}", {"entryUUID": [str(uuid.uuid5(uuid.NAMESPACE_DNS, uid))], "uid": [uid],
                                         **attributes})


def answer_of(groups=None, found=lambda search: [one("a"), done(cookie=b"")]):
    """An answer function: groups by name → function or list of operations; everything else is the search for people."""
    def answer(search):
        for name, what in (groups or {}).items():
            if search.base == group_dn(name):
                return what(search) if callable(what) else what
        if search.base == PEOPLE and search.scope == 2:
            return found(search)
        return [done(cookie=b"")]
    return answer


def ranges(size, step, sees_end=True):
    """The members of a group as Active Directory hands them out: beside each piece stands the name that was asked for,
    empty. One that doesn't see that a full piece is the last one says so by an empty one."""
    names = [f"uid=m{n},{PEOPLE}" for n in range(size)]

    def group(search):
        asked = search.attributes[0]
        wanted = re.search(r"range=(\d+)-", asked)
        low = int(wanted.group(1)) if wanted else 0
        some = names[low:low + step]
        last = low + step >= size if sees_end else len(some) < step
        name = f"member;range={low}-{'*' if last else low + step - 1}"
        return [entry(search.base, {asked: [], name: some}), done()]
    return group


@pytest.mark.parametrize("sees_end", [True, False])
@pytest.mark.parametrize("size", [1, 3, 1499, 1500, 1501, 4500])
def test_ranges_of_active_directory(read_fake, size, sees_end):
    last = [one(f"m{n}") for n in (0, size - 1, size)]
    answer = answer_of({"big": ranges(size, 1500, sees_end)}, lambda s: [*last, done(cookie=b"")])
    result = read_fake(answer, groups=("big",))
    assert result.code == 0, result
    assert members(result, "big") == sorted({"m0", f"m{size - 1}"})
    assert f"found, {size} members" in result.err


def test_range_that_is_missing(read_fake):
    """The second piece doesn't come: the group may have been emptied meanwhile, or not."""
    def group(search):
        low = "range=" not in search.attributes[0]
        return [entry(search.base, {"member;range=0-0": [f"uid=a,{PEOPLE}"]} if low else {}), done()]
    assert "came in pieces that don't fit together" in error(read_fake(answer_of({"big": group}), groups=("big",)))


@pytest.mark.parametrize("name", ["member;range=5-9", "member;range=0-9", "member;range=9-0", "member;range=5-*"])
def test_ranges_that_do_not_fit(read_fake, name):
    """A gap, and a piece that comes twice because the server ignores where we go on."""
    result = read_fake(answer_of({"big": [entry(group_dn("big"), {name: [f"uid=a,{PEOPLE}"]}), done()]}), groups=("big",))
    assert "came in pieces that don't fit together" in error(result)


def test_member_with_other_options_is_another_attribute(read_fake):
    group = [entry(group_dn("g"), {"member;x-old": [f"uid=a,{PEOPLE}"]}), done()]
    result = read_fake(answer_of({"g": group}), groups=("g",))
    assert result.code == 0 and not members(result, "g")


@pytest.mark.parametrize("count", [3, 30])
def test_members_in_another_domain(read_fake, count):
    """Active Directory answers for them with a referral: it isn't followed, and ends no read."""
    far = "ou=far,dc=elsewhere,dc=com"

    def answer(search):
        if search.base == group_dn("g"):
            names = [f"uid=a,{PEOPLE}", *(f"cn=m{n},{far}" for n in range(count))]
            return [entry(search.base, {"member": names}), done()]
        return [done(10, "elsewhere") if search.base.endswith(far) else done(32)]
    people_and = answer_of({"g": answer}, lambda s: [one("a"), done(cookie=b"")])
    result = read_fake(lambda s: answer(s) if s.base.endswith(far) else people_and(s), groups=("g",))
    assert result.code == 0 and members(result, "g") == ["a"]
    assert f"{3 if count == 3 else 1} referrals" in result.err and "aren't followed" in result.err


def test_groups_nested_too_deep(read_fake):
    def answer(search):
        depth = re.match(r"cn=g(\d+),", search.base)
        if depth:
            return [entry(search.base, {"member": [group_dn(f"g{int(depth.group(1)) + 1}")]}), done()]
        if search.base == GROUPS and search.scope == 1:
            return [*(entry(group_dn(f"g{n}"), {}) for n in range(80)), done(cookie=b"")]
        return [done(cookie=b"")]
    assert "nested deeper than 64 levels" in error(read_fake(answer, groups=("g0",)))


def test_pages_in_order(read_fake):
    pages = {b"": ("a", b"2"), b"2": ("b", b"\0\xff"), b"\0\xff": ("c", b"")}

    def found(search):
        uid, cookie = pages[search.cookie]
        return [one(uid), done(cookie=cookie)]
    result = read_fake(answer_of(found=found))
    assert result.code == 0 and sorted(people(result)) == ["a", "b", "c"]


@pytest.mark.parametrize("paging, asked", [(False, None), (None, b"")])
def test_server_that_does_not_page(read_fake, paging, asked):
    """The root DSE doesn't name the control, or nothing at all, and the answer has none."""
    result = read_fake(answer_of(found=lambda s: [one("a"), done()]), paging=paging)
    assert result.code == 0 and list(people(result)) == ["a"]
    assert result.searches[-1].cookie == asked


@pytest.mark.parametrize("cookies", [[None], [b"2", None]])
def test_paging_that_stops(read_fake, cookies):
    """The server announces pages, and then an answer comes without the control: it may be the end, or not."""
    left = list(cookies)
    result = read_fake(answer_of(found=lambda s: [one("a"), done(cookie=left.pop(0))]))
    assert "the server stopped paging" in error(result)


def test_empty_pages_without_end(read_fake):
    result = read_fake(answer_of(found=lambda s: [done(cookie=b"again")]), timeout="10s")
    assert "empty pages" in error(result)


@pytest.mark.parametrize("code, words", [
    (3, "time=unlimited"), (4, "size.prtotal=unlimited"), (10, "directory.uris"), (11, "size.unchecked=unlimited"),
    (50, "right"), (51, "busy"), (53, "unwilling"), (80, "other"),
])
def test_any_code_but_success_is_incomplete(read_fake, code, words):
    result = read_fake(answer_of(found=lambda s: [one("a"), done(code, "said the server \xff\n")]))
    text = error(result)
    assert "incomplete: 1 people" in text and f"({code}; said the server" in text
    assert words.lower() in text.lower()


@pytest.mark.parametrize("code", [3, 4, 11])
@pytest.mark.parametrize("root, words", [
    ({"vendorName": ["389 Project"]}, f"Limit: -1 in the entry {BIND_DN}"),
    ({"vendorName": ["Samba Team"], "supportedCapabilities": ["1.2.3", "1.2.840.113556.1.4.800"]}, "see ntdsutil"),
])
def test_limits_of_other_servers(make_fake, make_reader, root, words, code):
    server = make_fake(answer_of(found=lambda s: [one("a"), done(code)]), root=root)
    text = error(make_reader(groups=(), uris=[server.uri], insecure=True).reader())
    assert f"({code}): " in text and words in text and "slapd.conf" not in text


@pytest.mark.parametrize("code", [1, 50, 51, 80])
def test_group_that_fails(read_fake, code):
    text = error(read_fake(answer_of({"g": [done(code)]}), groups=("g",)))
    assert f"the group {group_dn('g')} can't be read" in text and f"({code})" in text


def test_connection_lost_in_the_middle(read_fake):
    assert "the connection was lost" in error(read_fake(answer_of(found=lambda s: [one("a"), None])))


@pytest.mark.parametrize("junk", [
    b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x02\x01", b"\x64\x02\x04\x00", b"\x64\x04\x04\x02a", b"\x64\x00",
    b"\x65\x01\x0a", b"HTTP/1.1 400 Bad Request\r\n\r\n",
])
def test_garbage(make_fake, make_reader, junk):
    """An answer that is no answer: never complete, never a crash. libldap then forgets the request's memory."""
    options = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    result = make_reader(groups=(), uris=[make_fake(answer_of(found=lambda s: [one("a"), junk])).uri],
                         insecure=True, timeout="1s").reader(env={"ASAN_OPTIONS": options})
    assert "incomplete" in error(result)


def test_server_that_pauses(read_fake):
    def found(search):
        for n in range(4):
            time.sleep(0.6)
            yield one(f"p{n}")
        yield done(cookie=b"")
    result = read_fake(answer_of(found=found), timeout="2s")
    assert result.code == 0 and len(people(result)) == 4


def test_server_that_stops_for_good(read_fake):
    def found(search):
        yield one("a")
        time.sleep(5)
    result = read_fake(answer_of(found=found), timeout="1s")
    assert "no answer within 1s" in error(result)


def test_object_guid(read_fake):
    guid = uuid.UUID("3fd361e0-ad9d-11d1-80b4-00c04fd430c8")
    entries = [entry(f"cn=a,{PEOPLE}", {"objectGUID": [guid.bytes_le], "mail": ["a@example.com"]}),
               entry(f"cn=b,{PEOPLE}", {"objectGUID": [b"short"], "mail": ["b@example.com"]})]
    result = read_fake(answer_of(found=lambda s: [*entries, reference("ldap://x"), done(cookie=b"")]),
                       attributes={"id": "objectGUID"})
    assert result.code == 0 and people(result)["a"]["id"] == [str(guid)]
    assert "1 entries without an id, 1 referrals" in result.err


def test_only_what_is_mapped_is_asked_for(read_fake):
    result = read_fake(answer_of())
    assert sorted(result.searches[-1].attributes) == sorted(["entryUUID", "uid", "mail", "givenName", "sn"])


def test_big_group_in_little_memory(make_reader, make_slapd):
    company = Company(people=20000)
    reader = make_reader(make_slapd(company))
    result = reader.reader()
    assert result.code == 0 and len(members(result, "umbrella")) == 20000
    running = Running(reader)
    with open(find_binary("idsyncd-directory"), "rb") as source:
        instrumented = b"__asan_init" in source.read()
    with open(f"/proc/{running.process.pid}/status") as source:
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", source.read()).group(1))
    assert running.finish()[0] == 0
    assert instrumented or peak < 20 * 1024, f"{peak} KiB"
