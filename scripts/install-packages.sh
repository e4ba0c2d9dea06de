#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages of scripts/packages.txt that are missing. Says nothing and needs no rights if none is.
#
#   install-packages.sh             all of them
#   install-packages.sh build       those under this heading; several may be named
set -eu

list=$(dirname "$0")/packages.txt
for heading; do
    grep -q "^# $heading\(:\|\$\)" "$list" || { echo "install-packages.sh: $list has no heading \"$heading\"" >&2; exit 2; }
done

missing=
wanted=
while read -r package heading _; do
    case $package in
        '') continue ;;
        '#') case " ${*:-${heading%:}} " in *" ${heading%:} "*) wanted=yes ;; *) wanted= ;; esac; continue ;;
    esac
    [ -n "$wanted" ] || continue
    # Also satisfied by a package that provides it (pkg-config by pkgconf).
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]; then
        missing="$missing $package"
    fi
done < "$list"
[ -n "$missing" ] || exit 0

if ! command -v apt-get > /dev/null; then
    echo "Missing, and this is no Debian to install them on:$missing" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
    as_root="sudo -n"
else
    echo "These packages are missing, and installing them needs root (or sudo without a password):" >&2
    echo "    apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

echo "Installing:$missing" >&2
# The tests start a slapd of their own: the package's needs no database, and no service on port 389.
case " $missing " in *' slapd '*)
    echo 'slapd slapd/no_configuration boolean true' | $as_root debconf-set-selections || true ;;
esac
# Nor of these two: while they are installed nothing may start, and afterwards their services don't start at boot.
services=
case " $missing " in *' samba '*) services='smbd nmbd samba-ad-dc' ;; esac
case " $missing " in *' 389-ds-base '*) services="$services dirsrv-snmp" ;; esac
log=$(mktemp)
policy=
trap 'rm -f "$log"; [ -z "$policy" ] || $as_root rm -f "$policy"' EXIT
trap 'exit 1' HUP INT TERM
start_nothing() {
    [ -n "$services" ] && [ ! -e /usr/sbin/policy-rc.d ] || return 0
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy > /dev/null
    $as_root chmod 755 $policy
}
disable() {
    for service in $services; do
        $as_root update-rc.d "$service" disable || $as_root systemctl disable "$service" || return
    done
}
install() {
    # shellcheck disable=SC2086 # two lists of words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing < /dev/null
}
if ! { $as_root apt-get update -q < /dev/null && start_nothing && install && disable; } > "$log" 2>&1; then
    cat "$log" >&2
    echo "apt-get failed; see above." >&2
    exit 1
fi
