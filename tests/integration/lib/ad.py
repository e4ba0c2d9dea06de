# SPDX-License-Identifier: Apache-2.0
"""A private Active Directory: a Samba domain controller that serves LDAP alone.

Its ports can't be changed (389, 636 and the global catalogue's), so it gets a loopback address of its own. Binding those
ports needs root, and that nobody has them on all addresses.
"""

import os
import random
import socket
import subprocess
import sys
import uuid

import ldap

import certs

from .entries import Entries, connect
from .process import end, scaled, spawn, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = "/usr/sbin/samba"
PORTS = (389, 636, 3268, 3269)
SUFFIX = "DC=ad,DC=example,DC=com"
REALM = "ad.example.com"
ADMIN, ADMIN_PASSWORD = f"Administrator@{REALM}", "Admin-8842-pass"
BIND_DN = f"CN=idsyncd,OU=services,{SUFFIX}"
BIND_UPN, BIND_PASSWORD = f"idsyncd@{REALM}", "Correct-horse-ad-5521"
PLACES = "private state cache lock run ncalrpc winbindd ntp bind-dns sysvol".split()
CONFIG = """[global]
netbios name = DC1
workgroup = AD
realm = {realm}
server role = active directory domain controller
server services = ldap
dcerpc endpoint servers =
interfaces = {address}/8
bind interfaces only = yes
private dir = {home}/private
state directory = {home}/state
cache directory = {home}/cache
lock directory = {home}/lock
pid directory = {home}/run
ncalrpc dir = {home}/ncalrpc
winbindd socket directory = {home}/winbindd
ntp signd socket directory = {home}/ntp
binddns dir = {home}/bind-dns
log file = {home}/log
tls keyfile = {home}/dc.key
tls certfile = {home}/dc.crt
tls cafile = {ca}/ca.pem
[sysvol]
path = {home}/sysvol
[netlogon]
path = {home}/sysvol/scripts
"""


def can_listen(address):
    """None, or why Samba can't."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
                probe.listen()
            except PermissionError:
                return f"Samba needs root, to listen on port {port}"
            except OSError as error:
                return f"Samba can't listen on port {port} of {address}: {error.strerror}; its ports can't be changed"
    return None


def why_not():
    """Why it can't run here, or None."""
    if not os.path.exists(PROGRAM):
        return "samba isn't installed"
    if os.geteuid() != 0:
        return "Samba needs root"
    return can_listen(free_address())


def free_address():
    """A loopback address that probably nobody uses."""
    return "127." + ".".join(str(random.SystemRandom().randrange(64, 250)) for _ in range(3))


class ActiveDirectory(Entries):
    """For all tests of a session: each makes a unit of its own (lib/unit.py)."""

    suffix, password = SUFFIX, BIND_PASSWORD
    people_filter = "(&(objectCategory=person)(objectClass=user)(mail=*))"

    def __init__(self, home, ca):
        self.home, self.ca = str(home), str(ca)
        self.address = free_address()
        self.ldap, self.ldaps = f"ldap://{self.address}", f"ldaps://{self.address}"
        self.log_path = f"{self.home}/samba.log"
        self.process = None
        for name in PLACES:
            os.makedirs(f"{self.home}/{name}")
        certs.make_leaf(self.home, "dc", ("ca", "dc1." + REALM, f"DNS:dc1.{REALM},IP:{self.address}", (-1, 365),
                                          "serverAuth"), self.ca)
        with open(f"{self.home}/smb.conf", "w") as out:
            out.write(CONFIG.format(home=self.home, ca=self.ca, realm=REALM.upper(), address=self.address))
        self._provision()
        try:
            self._start()
        except BaseException:
            self.cleanup()
            raise

    def _provision(self):
        done = subprocess.run([sys.executable, "-B", f"{HERE}/ad-provision.py", f"{self.home}/smb.conf", SUFFIX,
                               ADMIN_PASSWORD, BIND_DN, BIND_PASSWORD],
                              capture_output=True, text=True, timeout=scaled(300))
        assert done.returncode == 0, f"Samba can't be set up: {(done.stdout + done.stderr)[-4000:]}"

    def _start(self):
        with open(self.log_path, "w") as log:
            self.process = spawn([PROGRAM, "-s", f"{self.home}/smb.conf", "-i", "-M", "single", "--debug-stdout"],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, 30, "Samba's first answer")

    def _answers(self):
        if self.process.poll() is not None:
            with open(self.log_path, errors="replace") as source:
                raise AssertionError(f"Samba doesn't start: {source.read()[-2000:]}")
        try:
            self.connect().unbind_s()
            return True
        except ldap.SERVER_DOWN:
            return False

    def directory(self):
        return {"uris": [self.ldaps], "ca_file": f"{self.ca}/ca.pem",
                "bind": {"method": "simple", "dn": BIND_DN, "password_credential": "ldap-password"},
                "attributes": {"id": "objectGUID", "login": "sAMAccountName"},
                "disabled": {"attribute": "userAccountControl", "when": "mask:0x2"}}

    def person(self, person):
        """544: an ordinary account that needs no password."""
        return {"objectClass": "user", "sAMAccountName": person.uid, "userPrincipalName": f"{person.uid}@{REALM}",
                "givenName": person.first, "sn": person.last, "mail": person.email, "userAccountControl": "544"}

    def group(self, name):
        return {"objectClass": "group", "sAMAccountName": name}

    def id(self, dn):
        return str(uuid.UUID(bytes_le=self.get_bytes(dn, "objectGUID")["objectGUID"][0]))

    def connect(self, name=ADMIN, password=ADMIN_PASSWORD):
        return connect(self.ldaps, name, password, f"{self.ca}/ca.pem")

    def set_password(self, dn, password):
        self.modify(dn, unicodePwd=f'"{password}"'.encode("utf-16-le"))

    def cleanup(self):
        end(self.process)
