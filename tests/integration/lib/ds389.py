# SPDX-License-Identifier: Apache-2.0
"""A private 389 Directory Server: ns-slapd without systemd and dscreate, ldap (StartTLS) and ldaps on loopback."""

import contextlib
import os
import pwd
import re
import subprocess

import ldap

from .company import BIND_DN, BIND_PASSWORD, SUFFIX
from .entries import Entries, connect
from .process import end, free_port, spawn, wait_for

PROGRAM = "/usr/sbin/ns-slapd"
TEMPLATE = "/usr/share/dirsrv/data/template-dse.ldif"
ADMIN_DN, ADMIN_PASSWORD = "cn=Directory Manager", "directory-manager"
PLACES = "lock_dir tmp_dir cert_dir ldif_dir bak_dir run_dir inst_dir log_dir db_dir".split()
FILES = {       # those of /etc/dirsrv are for its own user
    "schema/99user.ldif": "dn: cn=schema\n",
    "slapd-collations.conf": "",
    "certmap.conf": "certmap default default\n",
}
BACKEND = f"""
dn: cn=userRoot,cn=ldbm database,cn=plugins,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsBackendInstance
cn: userRoot
nsslapd-suffix: {SUFFIX}

dn: cn="{SUFFIX}",cn=mapping tree,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsMappingTree
cn: {SUFFIX}
nsslapd-state: backend
nsslapd-backend: userRoot
"""
# As the manual gives them to the account that idsyncd binds as.
READS = ("objectClass || uid || mail || givenName || sn || employeeNumber || member || uniqueMember || memberUid"
         " || memberOf || nsUniqueId || nsAccountLock || passwordExpirationTime || pwdReset")
RIGHTS = (f'(targetattr = "{READS}")(version 3.0; acl "idsyncd"; allow (read, search)'
          f' userdn = "ldap:///{BIND_DN}";)')
SELF = '(targetattr = "userPassword")(version 3.0; acl "own password"; allow (write) userdn = "ldap:///self";)'


def why_not():
    """Why it can't run here, or None."""
    return None if os.path.exists(PROGRAM) else "389-ds-base isn't installed"


class Ds389(Entries):
    """For all tests of a session: each makes a unit of its own (lib/unit.py)."""

    suffix, password = SUFFIX, BIND_PASSWORD
    people_filter = "(objectClass=inetOrgPerson)"

    def __init__(self, home, ca):
        self.home, self.ca = str(home), str(ca)
        self.log_path = f"{self.home}/log_dir/errors"
        self.process = None
        # The server names a semaphore of the whole machine after this directory.
        self.config = f"{self.home}/idsyncd-{os.getpid()}-{os.urandom(4).hex()}"
        for name in PLACES:
            os.makedirs(f"{self.home}/{name}")
        os.makedirs(f"{self.config}/schema")
        for name, text in FILES.items():
            with open(f"{self.config}/{name}", "w") as out:
                out.write(text)
        self._write_certificates()
        try:
            self._start()
            self._fill()
        except BaseException:
            self.cleanup()
            raise

    def _write_config(self):
        self.port, self.tls_port = free_port(), free_port()
        self.ldap, self.ldaps = f"ldap://127.0.0.1:{self.port}", f"ldaps://127.0.0.1:{self.tls_port}"
        facts = {name: f"{self.home}/{name}" for name in PLACES}
        facts |= {"config_dir": self.config, "schema_dir": f"{self.config}/schema", "db_home_dir": f"{self.home}/db_dir",
                  "db_lib": "bdb", "fqdn": "localhost.localdomain", "ds_port": str(self.port), "rootdn": ADMIN_DN,
                  "ds_user": pwd.getpwuid(os.geteuid()).pw_name,
                  "ds_passwd": "{CLEAR}" + ADMIN_PASSWORD, "ds_suffix": SUFFIX, "ldapi": f"{self.home}/ldapi",
                  "ldapi_enabled": "off", "ldapi_autobind": "off"}
        with open(TEMPLATE) as source:
            text = re.sub(r"%(\w+)%", lambda m: facts[m[1]], source.read())
        text = text.replace("objectclass:nsslapdConfig\n", f"""objectclass:nsslapdConfig
nsslapd-listenhost: 127.0.0.1
nsslapd-securelistenhost: 127.0.0.1
nsslapd-securePort: {self.tls_port}
nsslapd-security: on
nsslapd-accesslog-logging-enabled: off
nsslapd-require-secure-binds: off
""", 1)
        text = text.replace(f"nsslapd-directory: {self.home}/db_dir\n", f"""nsslapd-directory: {self.home}/db_dir
nsslapd-db-durable-transaction: off
nsslapd-cache-autosize: 0
nsslapd-dbcachesize: 10000000
""", 1)
        before, plugin, after = text.partition("nsslapd-plugininitfunc: memberof_postop_init\n")
        text = before + plugin + after.replace("nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on", 1)
        with open(f"{self.config}/dse.ldif", "w") as out:
            out.write(text.rstrip("\n") + "\n" + BACKEND)

    def _write_certificates(self):
        place = f"{self.home}/cert_dir"
        for command in (
                ["certutil", "-N", "-d", place, "--empty-password"],
                ["certutil", "-A", "-d", place, "-n", "ca", "-t", "CT,,", "-i", f"{self.ca}/ca.pem"],
                ["openssl", "pkcs12", "-export", "-in", f"{self.ca}/good.crt", "-inkey", f"{self.ca}/good.key",
                 "-name", "Server-Cert", "-passout", "pass:", "-out", f"{place}/good.p12"],
                ["pk12util", "-i", f"{place}/good.p12", "-d", place, "-K", "", "-W", ""]):
            subprocess.run(command, check=True, capture_output=True)
        with open(f"{place}/pin.txt", "w") as out:
            out.write("Internal (Software) Token:\n")

    def _start(self):
        for _ in range(3):      # somebody else may take a port meanwhile
            self._write_config()
            self.process = spawn([PROGRAM, "-D", self.config, "-i", f"{self.home}/pid", "-d", "0"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if wait_for(self._state, 30, "389 Directory Server's first answer") == "answers":
                return
        with open(self.log_path, errors="replace") as source:
            raise AssertionError(f"389 Directory Server doesn't start: {source.read()[-2000:]}")

    def _state(self):
        if self.process.poll() is not None:
            return "ended"
        try:
            self.connect().unbind_s()
            return "answers"
        except ldap.SERVER_DOWN:
            return None

    def _fill(self):
        self.add(SUFFIX, {"objectClass": ["top", "domain"], "dc": "example", "aci": [RIGHTS, SELF]})
        self.add(f"ou=services,{SUFFIX}", {"objectClass": "organizationalUnit", "ou": "services"})
        self.add(BIND_DN, {"objectClass": ["applicationProcess", "simpleSecurityObject"], "cn": "idsyncd",
                           "userPassword": BIND_PASSWORD})

    def directory(self):
        return {"uris": [self.ldaps], "ca_file": f"{self.ca}/ca.pem",
                "bind": {"method": "simple", "dn": BIND_DN, "password_credential": "ldap-password"},
                "attributes": {"id": "nsUniqueId", "employee_number": "employeeNumber"},
                "disabled": {"attribute": "nsAccountLock", "when": "true"}}

    def person(self, person):
        return {"objectClass": "inetOrgPerson", "uid": person.uid, "cn": person.uid, "givenName": person.first,
                "sn": person.last, "mail": person.email}

    def group(self, name):
        return {"objectClass": "groupOfNames", "cn": name}

    def id(self, dn):
        return self.get(dn, "nsUniqueId")["nsUniqueId"][0]

    def connect(self, dn=ADMIN_DN, password=ADMIN_PASSWORD):
        return connect(self.ldap, dn, password)

    def cleanup(self):
        end(self.process)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"/dev/shm/sem.{os.path.basename(self.config)}.stats")
