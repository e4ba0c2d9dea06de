#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demo's story; ../../demo starts it. Whatever it says it has checked: see claim() in stage.py."""

import argparse
import os
import re
import signal
import sys
import threading
import time

from stage import Lie, Stage, call_line, claim, heading, say, shown

from operator_walk import Operator

from lib.company import GROUPS, SUFFIX, Company, Person, group_dn
from lib.daemon import find_secrets
from lib.process import wait_for

STAFF = ("ada Lovelace", "grace Hopper", "alan Turing", "barbara Liskov", "edsger Dijkstra", "frances Allen",
         "joan Clarke", "katherine Johnson", "margaret Hamilton", "hedy Lamarr", "radia Perlman", "vint Guest")
NEWCOMERS = ("anita Borg", "claude Shannon", "dorothy Vaughan", "evelyn Granville", "jean Bartik", "kay McNulty",
             "mary Jackson", "tony Hoare")
USERS = "/users$"
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def person(name):
    first, last = name.split()
    return Person(first.lower(), first.capitalize(), last)


def people():
    """Twelve people and three groups; the last person is in none of them."""
    staff = [person(name) for name in STAFF]
    return Company(people=0, admins=2, outsiders=1, groups={"umbrella-reports": staff[2:4]}, extra=staff)


def entry(p):
    return (f"dn: {p.dn}\nobjectClass: inetOrgPerson\nuid: {p.uid}\ncn: {p.first} {p.last}\n"
            f"givenName: {p.first}\nsn: {p.last}\nmail: {p.email}\n\n")


def join(*members):
    return (f"dn: {group_dn('umbrella')}\nchangetype: modify\nadd: member\n" +
            "".join(f"member: {p.dn}\n" for p in members))


def leave(member):
    return f"dn: {group_dn('umbrella')}\nchangetype: modify\ndelete: member\nmember: {member.dn}\n"


def log_lines(text, pattern):
    return "\n".join(line for line in text.splitlines() if re.search(pattern, line))


class Demo:
    def __init__(self, stage, company):
        self.stage, self.company = stage, company
        self.slapd, self.standin, self.programs = stage.slapd, stage.standin, stage.programs
        self.wanted = sorted(p.email for p in company.groups["umbrella"])
        self.vendor = "contractor@vendor.example"
        self.daemon = None

    def emails(self):
        return sorted(email.lower() for email in self.standin.emails())

    # --- the chapters ---

    def world(self):
        heading("A small company, and an API with accounts")
        admin, reader = (group_dn(name) for name in ("umbrella-admins", "umbrella-reports"))
        self.programs.target["roles"] = [{"group": admin, "role": "Full Admin"},
                                         {"group": reader, "role": "Reporting Only"}, {"role": "Read Only"}]
        self.programs.target.update(leave="delete", leave_grace="0s", limits={"delete": 4, "recreate": 2, "percent": 100})
        self.programs.write()
        self.standin.add_accounts(accounts=[
            {"email": "Grace@Example.com", "firstname": "Grace", "lastname": "Hopper", "role": "Full Admin"},
            {"email": self.vendor, "firstname": "Carl", "lastname": "Contractor", "role": "Read Only"}])
        say(f"""  slapd at {self.slapd.ldaps}: {len(self.company.people)} people, groups umbrella (11 of them),
            umbrella-admins, umbrella-reports. The stand-in Umbrella at {self.standin.url}: two accounts, one with the
            address of grace, one of a contractor whom the directory doesn't know.""")
        say("""  It is strict about requests and writes down every call. Umbrella allows 14 calls a minute; so that you
            needn't wait, that limit is lifted here, on both sides. A leaver's account is deleted, and without any grace
            (leave = "delete", leave_grace = "0s"): whoever is taken for gone loses it within seconds.""")
        say(f"""  Files: {self.stage.home}. Commands are shown without the options that say where server, configuration and
            passwords are.""")

    def dry_run(self):
        heading("What would be done? (dry run)")
        say("  Both sides are read and compared. The hash stands for exactly this plan.")
        result = self.programs.show("--once", "--dry-run", code=1)
        claim(result.out.count("create") == 10 and result.out.count("adopt") == 1,
              "ten accounts to create, and grace's account, there already, to adopt")
        claim(self.vendor not in result.out, "the contractor's account isn't ours: not a word about it")
        claim(not self.stage.writes() and len(self.emails()) == 2, "nothing was changed at the API")

    def first_plan(self):
        heading("The first plan waits for a person")
        say("  Without --dry-run, and still nothing is done: somebody has to approve this hash.")
        self.programs.show("--once", code=6)
        result = self.programs.once()
        digest = result.target()["hash"]
        claim(result.code == 6 and re.fullmatch("[0-9a-f]{12}", digest),
              f"held, with the hash {digest}; asked again: the same")
        claim(not self.stage.writes(), "nothing was changed at the API")
        return digest

    def approval(self, digest):
        heading("The first plan, approved")
        say("  Look at the accounts: ten new ones, and the one of grace, which needed no call.")
        result = self.programs.show("--once", "--approve", digest, code=0)
        claim(result.out.count("  create  ") == 10 and result.out.count("  adopt  ") == 1, "done as it was shown")
        claim(self.emails() == sorted([*self.wanted, self.vendor]),
              "the eleven of the group have accounts, the contractor still has his")
        roles = {name: self.standin.account(f"{name}@example.com")["role"] for name in ("ada", "alan", "joan")}
        claim(list(roles.values()) == ["Full Admin", "Reporting Only", "Read Only"],
              f"with the roles of their groups: {roles}")
        claim(len(self.stage.writes()) == 10, "ten calls created them, one each")
        before = self.stage.last_call()
        self.programs.show("--once", code=0)
        claim(not self.stage.writes(before), "a second run finds nothing to do")

    def somebody_new(self):
        heading("The daemon runs, and somebody joins the company")
        say("  Look at the call that the API wrote down.")
        self.daemon = self.programs.start()
        claim(True, "READY=1 came")
        new, before = person("linda Newhire"), self.stage.last_call()
        self.stage.ldap("ldapadd", "linda.ldif", entry(new) + join(new))
        start = time.time()
        wait_for(lambda: new.email in self.emails(), 15, f"an account of {new.email}")
        calls = self.stage.writes(before)
        shown("\n".join(map(call_line, calls)))
        claim(len(calls) == 1 and calls[0]["body"]["email"] == new.email,
              f"{new.email} has an account {max(0, calls[0]['wall'] - start):.1f} s later (poll_interval here: 1 s)")
        status = self.daemon.wait_status("^13 people read.*; 0 queued")
        shown(f'systemctl status would say: "{status}"')
        self.wanted = sorted([*self.wanted, new.email])

    def directory_down(self):
        heading("The directory dies (kill -9), and later shows but four of its people")
        say("  This is where others have deleted everybody. Look for what isn't there: a call to the API.")
        before = self.stage.last_call()
        self.slapd.kill()
        self.daemon.wait_log("unreachable", 20)
        status = self.daemon.wait_status("the last read failed", 20)
        shown(f'status: "{status}"')
        self.slapd.start()
        self.daemon.wait_log("read completely", 30)
        seen = len(self.daemon.log())
        self.slapd.limit_reader("size=4")
        self.daemon.wait_for(lambda: "is incomplete" in self.daemon.log()[seen:], 20, "an incomplete read")
        self.slapd.limit_reader("size=unlimited size.pr=unlimited size.prtotal=unlimited")
        seen = len(self.daemon.log())
        self.daemon.wait_for(lambda: "read completely" in self.daemon.log()[seen:], 40, "a complete read")
        log = self.daemon.log()
        for text, pattern in ((log, "unreachable"), (log, "is incomplete"), (log[seen:], "read completely")):
            shown(log_lines(text, pattern).partition("\n")[0])
        claim(not self.stage.writes(before), "no call to the API changed anything: a failed read proves nobody's absence")
        claim(self.emails() == sorted([*self.wanted, self.vendor]), f"all {len(self.wanted)} accounts are there")
        claim(self.daemon.process.poll() is None, "the same daemon goes on, without a restart")

    def somebody_leaves(self):
        heading("Somebody really leaves")
        say("  The same absence, but shown by a complete read.")
        gone, before = person("linda Newhire"), self.stage.last_call()
        self.stage.ldap("ldapmodify", "away.ldif", leave(gone))
        wait_for(lambda: gone.email not in self.emails(), 20, f"the end of {gone.email}'s account")
        self.wanted.remove(gone.email)
        calls = self.stage.writes(before)
        shown("\n".join(map(call_line, calls)))
        claim([call["method"] for call in calls] == ["DELETE"], "one call deleted one account")
        claim(self.emails() == sorted([*self.wanted, self.vendor]), "everybody else's is there, the contractor's too")

    def killed(self):
        heading("kill -9 in the middle of the queue")
        new = [person(name) for name in NEWCOMERS]
        say("  Eight people join at once, and the API answers late: it creates an account and keeps silent for two seconds.")
        self.standin.fault("delay", seconds=2, method="POST", path=USERS, count=None)
        self.stage.ldap("ldapadd", "newcomers.ldif", "".join(map(entry, new)) + join(*new), quiet=True)
        emails = {p.email for p in new}

        def made():
            return emails & set(self.emails())
        wait_for(made, 15, "the first of the newcomers' accounts")
        self.daemon.kill()
        calls = [call for call in self.standin.calls("POST", USERS) if call["body"]["email"] in emails]
        silent = [call for call in calls if not call["answered"]]
        claim(silent and len(calls) < len(new),
              f"the daemon was killed: {len(silent)} calls are out and unanswered, {len(new) - len(calls)} not yet made")
        self.standin.clear_faults()
        journal = self.stage.open_journal()
        self.daemon = self.programs.start_in(self.stage.journal) if journal else self.programs.start()
        say("  It is started again" + (", with a journald of its own." if journal else "."))
        wait_for(lambda: made() == emails, 30, "all of the newcomers' accounts")
        self.wanted = sorted({*self.wanted, *emails})
        self.daemon.wait_status("; 0 queued", 20)
        posts = [c for c in self.standin.calls("POST", USERS) if c["body"]["email"] in emails]
        shown("\n".join(map(call_line, posts)))
        claim(sorted(c["body"]["email"] for c in posts) == sorted(emails),
              "each newcomer was created by exactly one call: those without an answer were looked for, not repeated")
        self.exactly_one()

    def exactly_one(self):
        accounts = self.emails()
        claim(accounts == sorted([*self.wanted, self.vendor]),
              f"each of the {len(self.wanted)} people has exactly one account")

    def journal(self):
        journal = self.stage.journal
        heading("The journal of it" if journal else "The log of it")
        fields = ("MESSAGE", "PRIORITY", "MESSAGE_ID", *(f"IDSYNC_{n}" for n in (
            "TARGET", "ACTION", "ACTION_ID", "CYCLE", "PERSON", "ACCOUNT", "REMOTE_ID", "OUTCOME", "ATTEMPT")))
        if journal:
            shown(journal.read("--output=short", "SYSLOG_IDENTIFIER=idsyncd"))
            say("  and one of these lines with its fields (journalctl -o verbose):")
            record = journal.read("--output=verbose", "--lines=1", f"--output-fields={','.join(fields)}",
                                  "SYSLOG_IDENTIFIER=idsyncd", "IDSYNC_ACTION=create")
            shown(log_lines(record, r"^\s+(MESSAGE|PRIORITY|IDSYNC)"))
            claim("IDSYNC_PERSON=" in record and "IDSYNC_REMOTE_ID=" in record, "a program can find every act by its fields")
        else:
            shown(log_lines(self.daemon.log(), "started|create|queued"))
            claim("action=create" in self.daemon.log(),
                  "every act is in the log (where root may run a journald of its own, the demo shows its fields)")

    def promises(self):
        heading("What must never be")
        claim(not self.standin.violations(), "no request broke the API's contract")
        claim(not self.standin.calls(status=429), "no call was one too many (no 429)")
        texts = self.programs.texts() + ([self.stage.journal.log()] if self.stage.journal else [])
        files, root = self.programs.state_files(), os.geteuid() == 0
        # Of a process that isn't dumpable only root may read these.
        found = find_secrets(self.stage.secrets(), texts, files, [self.daemon.pid] if root else [])
        claim(not found, f"no password, key or generated password in {len(texts)} outputs, {len(files)} state files" +
              (", command line and environment" if root else ""))

    def stop(self):
        claim(self.daemon.terminate() == 0, "SIGTERM: the daemon ends with 0")

    def run(self):
        self.world()
        self.dry_run()
        self.approval(self.first_plan())
        self.somebody_new()
        self.directory_down()
        self.somebody_leaves()
        if self.stage.bus:
            Operator(self.stage, self.company, self.wanted).walk(self.vendor)
        else:
            say("""  (As root, or where the kernel grants a user namespace, the demo also shows what an operator does with
                held plans: idsyncctl obeys nobody else.)""")
        self.killed()
        self.journal()
        self.promises()


def keep(demo):
    stage, home = demo.stage, demo.stage.home
    ldif = stage.file("play.ldif", entry(person("your Name")) + join(person("your Name")))
    away = stage.file("away.ldif", leave(person("your Name")))
    operator = f"""
  export DBUS_SYSTEM_BUS_ADDRESS={stage.bus.address}
  {stage.bus.home}/idsyncctl status      # also: explain your@example.com, sync your@example.com, check, plan, history""" \
        if stage.bus else ""
    follow = f"journalctl --directory={home}/journal -f" if stage.journal else f"tail -f {demo.daemon.log_path}"
    heading("Yours to play with")
    print(f"""
  export LDAPTLS_CACERT={stage.slapd.ca}/ca.pem
  {' '.join(stage.ldap_words('ldapadd', ldif))}
  {' '.join(stage.ldap_words('ldapmodify', away))}
  ldapsearch -x -LLL -H {stage.slapd.ldaps} -D cn=admin,{SUFFIX} -y {stage.password_file} -b {GROUPS}
  curl -s {stage.standin.control_url}/accounts      # what the API has; /help: break it on command
  curl -s {stage.standin.control_url}/ledger        # every call
  {follow}{operator}
  kill -HUP {demo.daemon.pid}     # read {stage.programs.config_path} again
  kill -TERM {demo.daemon.pid}    # stop the daemon; then this works, and without --once it is the daemon again:
  {home}/idsyncd.sh --once --dry-run

  To end it all: Ctrl-C here, or kill {os.getpid()}
""", flush=True)
    ended = threading.Event()
    for number in ENDS:
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def end_by_signal(number, _):
    sys.exit(128 + number)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running, and say how to play with it")
    return parser.parse_args()


def main():
    options = arguments()
    for number in ENDS:
        signal.signal(number, end_by_signal)
    company, stage = people(), Stage()
    try:
        stage.open(company)
        demo = Demo(stage, company)
        demo.run()
        if options.keep:
            keep(demo)
        else:
            demo.stop()
    except (Lie, AssertionError) as fault:
        print(f"\ndemo: FAILED in \"{heading.text}\", this isn't so: {fault}", flush=True)
        stage.last_words()
        return 1
    finally:
        stage.close()
    if os.path.exists(stage.home):
        print(f"\ndemo: FAILED: {stage.home} is left behind")
        return 1
    print(f"\nAll of it was so. ({time.monotonic() - heading.start:.0f} s; nothing is left behind)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
