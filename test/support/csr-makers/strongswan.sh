#!/usr/bin/env bash
# strongSwan's pki. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and the command for each.
set -euo pipefail
request() {
  local name=$1 key=$2; shift 2
  pki --req --in "$key.key" --type priv --outform pem "$@" > "$name.csr" 2> /dev/null
  printf '%s\tpki --req --type priv --outform pem %s\n' "$name" "$(printf '%q ' "$@")"
}
pki --gen --type ecdsa --size 256 --outform pem > ec256.key
pki --gen --type ecdsa --size 384 --outform pem > ec384.key
pki --gen --type rsa --size 2048 --outform pem > rsa2048.key
pki --gen --type ed25519 --outform pem > ed25519.key
for each in ec256 ec384 rsa2048 ed25519; do request "key-$each" "$each" --dn CN=pump-17; done
request full ec256 --dn 'C=DE, O=Acme, OU=Plant, CN=pump-17'
request dns ec256 --dn CN=pump-17 --san pump.example.com
request uri ec256 --dn CN=pump-17 --san urn:thingward:default:corpus
request password ec256 --dn CN=pump-17 --password secret
request sha384 ec384 --dn CN=pump-17 --digest sha384
request pss rsa2048 --dn CN=pump-17 --rsa-padding pss
