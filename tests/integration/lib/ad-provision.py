#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the domain of lib/ad.py: SMB.CONF SUFFIX ADMIN-PASSWORD BIND-DN BIND-PASSWORD. A program of its own because
samba-tool would set rights on files that no file system of a container keeps."""

import logging
import os
import sys

from samba import dsdb
from samba.auth import system_session
from samba.param import LoadParm
from samba.provision import provision
from samba.samdb import SamDB

CROWD = 1001        # more than a page


def add_entries(db, suffix, bind_dn, password):
    db.add({"dn": f"OU=services,{suffix}", "objectClass": "organizationalUnit"})
    db.add({"dn": bind_dn, "objectClass": "user", "sAMAccountName": "idsyncd", "userAccountControl": "512",
            "userPrincipalName": f"idsyncd@{db.domain_dns_name()}",
            "unicodePwd": f'"{password}"'.encode("utf-16-le")})
    crowd = f"OU=crowd,{suffix}"
    db.add({"dn": crowd, "objectClass": "organizationalUnit"})
    names = [f"CN=c{n},{crowd}" for n in range(CROWD)]
    for name in names:
        db.add({"dn": name, "objectClass": "contact", "mail": name.partition(",")[0][3:] + "@example.com"})
    db.add({"dn": f"CN=everybody,{crowd}", "objectClass": "group", "sAMAccountName": "everybody", "member": names})


def main():
    path, suffix, admin_password, bind_dn, bind_password = sys.argv[1:]
    lp = LoadParm()
    lp.load(path)
    logging.getLogger("provision").setLevel(logging.WARNING)
    provision(logging.getLogger("provision"), system_session(), smbconf=path, lp=lp, realm=lp.get("realm"),
              domain=lp.get("workgroup"), domaindn=suffix, hostname="dc1", hostip="127.0.0.1",
              adminpass=admin_password, dns_backend="NONE", serverrole="active directory domain controller",
              dom_for_fun_level=dsdb.DS_DOMAIN_FUNCTION_2008_R2, base_schema="2008_R2", skip_sysvolacl=True,
              batch_mode=True)
    db = SamDB(url=os.path.join(lp.get("private dir"), "sam.ldb"), session_info=system_session(), lp=lp)
    db.transaction_start()
    add_entries(db, suffix, bind_dn, bind_password)
    db.transaction_commit()


main()
