# SPDX-License-Identifier: Apache-2.0
"""The test CA and the certificates that the stand-in and the test directory show. Run alone: certs.py DIR

DIR afterwards holds ca.pem, old-root.pem (the same CA's certificate of before, ended), other-root.pem (a CA that
nobody trusts) and, each with its key in one file:
good, wrong-host, expired, soon (ends in five days), chained (its issuer, soon-ca, ends in five days), other-ca, client.
"""

import os
import subprocess
import sys
import tempfile
import time

LOCAL = "DNS:localhost,DNS:standin.test,IP:127.0.0.1,IP:::1"
# name: (signing CA, subject, alternative names, start and end in days from now, extended key usage)
LEAVES = {
    "good": ("ca", "localhost", LOCAL, (-1, 365), "serverAuth"),
    "wrong-host": ("ca", "elsewhere.test", "DNS:elsewhere.test", (-1, 365), "serverAuth"),
    "expired": ("ca", "localhost", LOCAL, (-30, -1), "serverAuth"),
    "soon": ("ca", "localhost", LOCAL, (-30, 5), "serverAuth"),
    "other-ca": ("other-root", "localhost", LOCAL, (-1, 365), "serverAuth"),
    "chained": ("soon-ca", "localhost", LOCAL, (-1, 365), "serverAuth"),
    "client": ("ca", "idsyncd", "DNS:idsyncd.test", (-1, 365), "clientAuth"),
}
CA_CONFIG = """
[ca]
default_ca = one
[one]
database = {work}/index
serial = {work}/serial
new_certs_dir = {work}
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""


def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr.strip()}")


def new_key_options(path):
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]


def make_root(directory, name):
    openssl("req", "-x509", *new_key_options(f"{directory}/{name}.key"), "-out", f"{directory}/{name}.pem",
            "-subj", f"/CN=idsyncd test {name}", "-days", "400",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def stamp(days):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400))


def start_ca(work):
    with open(f"{work}/config", "w") as out:
        out.write(CA_CONFIG.format(work=work))
    open(f"{work}/index", "w").close()
    with open(f"{work}/serial", "w") as out:
        out.write(os.urandom(8).hex().replace("0", "1") + "\n")


def make_leaf(directory, name, leaf=None, roots=None):
    """NAME.pem, .key and .crt in DIRECTORY, of the table or as LEAF says; ROOTS: where the CAs are, if elsewhere."""
    root, subject, alternatives, (start, end), usage = leaf or LEAVES[name]
    roots = roots or directory
    with tempfile.TemporaryDirectory(dir=directory) as work:
        start_ca(work)
        openssl("req", "-new", *new_key_options(f"{work}/key"), "-out", f"{work}/csr",
                "-subj", f"/CN={subject}", "-addext", f"subjectAltName={alternatives}",
                "-addext", f"extendedKeyUsage={usage}", "-addext", "keyUsage=digitalSignature")
        openssl("ca", "-batch", "-notext", "-config", f"{work}/config", "-in", f"{work}/csr",
                "-cert", f"{roots}/{root}.pem", "-keyfile", f"{roots}/{root}.key",
                "-startdate", stamp(start), "-enddate", stamp(end), "-out", f"{work}/cert")
        with open(f"{directory}/{name}.pem", "w") as out:
            for part in (f"{work}/cert", f"{work}/key", *([f"{roots}/{root}.pem"] if root == "soon-ca" else [])):
                with open(part) as piece:
                    out.write(piece.read())
        os.chmod(f"{directory}/{name}.pem", 0o600)
        os.replace(f"{work}/key", f"{directory}/{name}.key")
        os.replace(f"{work}/cert", f"{directory}/{name}.crt")


def sign_ca(directory, name, key, subject, days, *by):
    with tempfile.TemporaryDirectory(dir=directory) as work:
        start_ca(work)
        openssl("req", "-new", "-key", key, "-subj", f"/CN={subject}", "-out", f"{work}/csr",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        openssl("ca", "-batch", "-notext", *by, "-config", f"{work}/config", "-in", f"{work}/csr",
                "-keyfile", f"{directory}/ca.key", "-startdate", stamp(days[0]), "-enddate", stamp(days[1]),
                "-out", f"{directory}/{name}.pem")


def make_more_cas(directory):
    """old-root: the certificate that the test CA had before, its key and name, but ended. soon-ca: below the test CA,
    and soon to end."""
    sign_ca(directory, "old-root", f"{directory}/ca.key", "idsyncd test ca", (-400, -1), "-selfsign")
    openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{directory}/soon-ca.key")
    sign_ca(directory, "soon-ca", f"{directory}/soon-ca.key", "idsyncd test soon-ca", (-30, 5),
            "-cert", f"{directory}/ca.pem")


def make_all(directory):
    """Make what is missing in DIRECTORY."""
    os.makedirs(directory, exist_ok=True)
    for root in ("ca", "other-root"):
        if not os.path.exists(f"{directory}/{root}.pem"):
            make_root(directory, root)
    if not os.path.exists(f"{directory}/soon-ca.pem"):
        make_more_cas(directory)
    for name in LEAVES:
        if not os.path.exists(f"{directory}/{name}.pem"):
            make_leaf(directory, name)
    return directory


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: certs.py DIR")
    make_all(sys.argv[1])
