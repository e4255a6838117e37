#!/usr/bin/env bash
# GnuTLS certtool. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and the command for each.
set -euo pipefail
request() {
  local name=$1 key=$2 template=$3; shift 3
  printf "$template" > "$name.tmpl"
  certtool --generate-request --load-privkey "$key.key" --template "$name.tmpl" --outfile "$name.csr" "$@" > /dev/null 2>&1
  printf '%s\tcerttool --generate-request --template <(printf %q) %s\n' "$name" "$template" "$*"
}
key() { local name=$1; shift; certtool --generate-privkey --no-text --outfile "$name.key" "$@" > /dev/null 2>&1; }
key ec256 --key-type ecdsa --curve secp256r1
key ec384 --key-type ecdsa --curve secp384r1
key ec521 --key-type ecdsa --curve secp521r1
key rsa2048 --key-type rsa --bits 2048
key rsa3072 --key-type rsa --bits 3072
key pss --key-type rsa-pss --bits 2048
key ed25519 --key-type ed25519
key ed448 --key-type ed448
for each in ec256 ec384 ec521 rsa2048 rsa3072 pss ed25519 ed448; do request "key-$each" "$each" 'cn = pump-17\n'; done
for hash in SHA1 SHA256 SHA384 SHA512; do
  request "ec-$hash" ec256 'cn = pump-17\n' --hash "$hash"
  request "rsa-$hash" rsa2048 'cn = pump-17\n' --hash "$hash"
done
request empty ec256 ''
request full ec256 'country = DE\nstate = Bayern\nlocality = Muenchen\norganization = Acme\nunit = Plant\nunit = Hall\ncn = pump-17\nserial = 7\n'
request client ec256 'cn = pump-17\ntls_www_client\n'
request client-signing ec256 'cn = pump-17\ntls_www_client\nsigning_key\n'
request server ec256 'cn = pump-17\ntls_www_server\n'
request encryption rsa2048 'cn = pump-17\nencryption_key\nsigning_key\n'
request uri ec256 'cn = pump-17\nuri = "urn:thingward:default:corpus"\n'
request dns ec256 'cn = pump-17\ndns_name = "pump.example.com"\n'
request ca ec256 'cn = pump-17\nca\ncert_signing_key\n'
request challenge ec256 'cn = pump-17\nchallenge_password = 123456\n'
request text ec256 'cn = pump-17\n' --text
request der ec256 'cn = pump-17\n' --outder
