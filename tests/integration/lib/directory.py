# SPDX-License-Identifier: Apache-2.0
"""A private slapd: own ports on loopback, ldap (StartTLS), ldaps and ldapi, mdb, syncprov, memberof, ppolicy."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from urllib.parse import quote

import ldap

from .company import BIND_DN, SUFFIX, group_dn, ldif
from .entries import Bound, Entries, connect, replace
from .process import end, free_port, scaled, spawn, wait_for

SLAPD = "/usr/sbin/slapd"
ADMIN_DN = f"cn=admin,{SUFFIX}"
ADMIN_PASSWORD = "admin"
CONFIG_PASSWORD = "config"
DATABASE_DN = "olcDatabase={2}mdb,cn=config"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
moduleload memberof
moduleload ppolicy
pidfile {home}/slapd.pid
argsfile {home}/slapd.args
TLSCACertificateFile {ca}/ca.pem
TLSCertificateFile {ca}/{certificate}.crt
TLSCertificateKeyFile {ca}/{certificate}.key
TLSVerifyClient {verify_client}
authz-regexp "gidNumber=.*peercred,cn=external,cn=auth" "{bind_dn}"
authz-regexp "cn=idsyncd" "{bind_dn}"
sizelimit 500
loglevel 0
serverID 1
threads 8
{extra}

database config
rootdn cn=config
rootpw {config_password}

database monitor

database mdb
suffix {suffix}
rootdn {admin_dn}
rootpw {admin_password}
directory {home}/db
maxsize {max_size}
envflags nosync
limits dn.exact="{bind_dn}" size=unlimited time=unlimited size.pr=unlimited size.prtotal=unlimited
index objectClass eq
index uid,mail,member,entryUUID,entryCSN,modifyTimestamp eq
access to attrs=userPassword by anonymous auth by self write by * none
access to * by dn.exact="{bind_dn}" read by self read by anonymous auth by * none
overlay memberof
memberof-group-oc groupOfNames
memberof-member-ad member
memberof-memberof-ad memberOf
overlay ppolicy
ppolicy_default cn=default,ou=policies,{suffix}
ppolicy_use_lockout
overlay syncprov
syncprov-checkpoint 1000 10
syncprov-sessionlog 100000
{database_extra}
"""


class Slapd(Entries):
    def __init__(self, home, ca, certificate="good", verify_client="allow", max_size=2 << 30, log=True,
                 extra="", database_extra=""):
        self.home = str(home)
        self.ca = str(ca)
        self.process = None
        self.log = log
        self.log_path = f"{self.home}/slapd.log"
        self.settings = {"certificate": certificate, "verify_client": verify_client, "max_size": max_size,
                         "extra": extra, "database_extra": database_extra}
        self.short = tempfile.mkdtemp(prefix="idsync-ldapi-")   # a socket's path has 108 bytes
        self.ldapi = f"ldapi://{quote(self.short + '/ldapi', safe='')}"
        self._choose_ports()
        os.makedirs(f"{self.home}/db")

    def _choose_ports(self):
        self.port, self.tls_port = free_port(), free_port()
        self.ldap = f"ldap://127.0.0.1:{self.port}"
        self.ldaps = f"ldaps://127.0.0.1:{self.tls_port}"

    def _write_config(self):
        with open(f"{self.home}/slapd.conf", "w") as out:
            out.write(CONFIG.format(home=self.home, ca=self.ca, bind_dn=BIND_DN, suffix=SUFFIX,
                                    admin_dn=ADMIN_DN, admin_password=ADMIN_PASSWORD,
                                    config_password=CONFIG_PASSWORD, **self.settings))

    # --- life ---

    def load(self, entries):
        """Bulk load while slapd is down: (dn, attributes) pairs, or an object with entries()."""
        self._write_config()
        path = f"{self.home}/load.ldif"
        with open(path, "w") as out:
            out.writelines(ldif(entries.entries() if hasattr(entries, "entries") else entries))
        done = subprocess.run(["/usr/sbin/slapadd", "-q", "-f", f"{self.home}/slapd.conf", "-l", path],
                              capture_output=True, text=True)
        assert done.returncode == 0, f"slapadd: {done.stderr}"
        os.unlink(path)

    def start(self):
        """Start, and wait until it answers. The first start may move to other ports, later ones may not."""
        first = self.process is None
        for attempt in range(5):
            self._launch()
            if self._answers():
                return self
            end(self.process)
            if first:
                self._choose_ports()
            time.sleep(0.1 * attempt)
        with open(self.log_path, errors="replace") as source:
            raise AssertionError(f"slapd doesn't start: {source.read()[-2000:]}")

    def _launch(self):
        self._write_config()
        with open(self.log_path, "a") as log:
            self.process = spawn([SLAPD, "-d", "stats" if self.log else "0", "-f", f"{self.home}/slapd.conf",
                                  "-h", f"{self.ldap}/ {self.ldaps}/ {self.ldapi}/"],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _answers(self):
        deadline = time.monotonic() + scaled(10)
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                ldap.initialize(self.ldap).simple_bind_s()
                return True
            except ldap.SERVER_DOWN:
                time.sleep(0.02)
            except ldap.LDAPError:
                return True
        return False

    def stop(self):
        """SIGTERM, and wait for the end: the database is clean, connections are closed."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(scaled(10))

    def kill(self):
        end(self.process)

    def restart(self):
        self.stop()
        return self.start()

    def freeze(self):
        """SIGSTOP: connections stay, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def cleanup(self):
        end(self.process)
        shutil.rmtree(self.short, ignore_errors=True)

    def connect(self, dn=ADMIN_DN, password=ADMIN_PASSWORD):
        """A python-ldap connection, bound."""
        return connect(self.ldapi, dn, password)

    def add_person(self, person, *groups):
        """A person (lib/company.py), put into the groups named; returns the entryUUID that slapd gave it."""
        self.add(*person.entry())
        person.id = self.get(person.dn, "entryUUID")["entryUUID"][0]
        for group in groups:
            self.join(group, person)
        return person.id

    def join(self, group, person):
        self.extend(group_dn(group), member=person.dn)

    def leave(self, group, person):
        self.shrink(group_dn(group), member=person.dn)

    # --- settings and observation while it runs ---

    def configure(self, dn=DATABASE_DN, **changes):
        """Replace attributes in cn=config, e.g. olcLimits; lost with the next start."""
        with Bound(self, "cn=config", CONFIG_PASSWORD) as connection:
            replace(connection, dn, changes)

    def limit_reader(self, text):
        """Limits of the daemon's bind DN, in slapd.conf's words: e.g. "size=5"."""
        self.configure(olcLimits=f'{{0}}dn.exact="{BIND_DN}" {text}')

    def searches(self, base=None):
        """The searches slapd has logged: (connection, base, scope, filter)."""
        with open(self.log_path, errors="replace") as source:
            found = re.findall(r'conn=(\d+) op=\d+ SRCH base="([^"]*)" scope=(\d) deref=\d filter="(.*)"',
                               source.read())
        return [item for item in found if base is None or item[1].lower() == base.lower()]

    def wait_log(self, pattern, timeout=10):
        def check():
            with open(self.log_path, errors="replace") as source:
                return re.search(pattern, source.read())
        return wait_for(check, timeout, f"{pattern!r} in slapd's log")
