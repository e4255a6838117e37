#!/usr/bin/env bash
# certutil of NSS. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and the command for each.
set -euo pipefail
mkdir db
certutil -N -d db --empty-password
head -c 200 /dev/urandom > noise
request() {
  local name=$1; shift
  certutil -R -d db -z noise -a -o "$name.csr" "$@" > /dev/null 2>&1
  printf '%s\tcertutil -R -a %s\n' "$name" "$(printf '%q ' "$@")"
}
request ec256 -k ec -q nistp256 -s CN=pump-17
request ec384 -k ec -q nistp384 -s CN=pump-17
request ec521 -k ec -q nistp521 -s CN=pump-17
request rsa2048 -k rsa -g 2048 -s CN=pump-17
request rsa-pss -k rsa -g 2048 --pss -s CN=pump-17
request full -k ec -q nistp256 -s 'CN=pump-17,OU=Plant,O=Acme,C=DE'
request sha384 -k ec -q nistp256 -Z SHA384 -s CN=pump-17
request dns -k ec -q nistp256 -s CN=pump-17 -8 pump.example.com
request usage -k ec -q nistp256 -s CN=pump-17 --keyUsage digitalSignature
request client -k ec -q nistp256 -s CN=pump-17 --extKeyUsage clientAuth
request ns-client -k ec -q nistp256 -s CN=pump-17 --nsCertType sslClient
