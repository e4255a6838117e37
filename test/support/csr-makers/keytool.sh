#!/usr/bin/env bash
# Java's keytool. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and the command for each.
set -euo pipefail
request() {
  local name=$1 subject=$2; shift 2
  local algorithm=(); while [ $# -gt 0 ] && [ "$1" != -- ]; do algorithm+=("$1"); shift; done
  [ $# -eq 0 ] || shift
  keytool -genkeypair -alias "$name" -dname "$subject" -keystore "$name.p12" -storepass changeit "${algorithm[@]}" > /dev/null 2>&1
  keytool -certreq -alias "$name" -keystore "$name.p12" -storepass changeit -file "$name.csr" "$@" > /dev/null 2>&1
  printf '%s\tkeytool -genkeypair -dname %q %s; keytool -certreq %s\n' "$name" "$subject" "${algorithm[*]}" "$*"
}
ec=(-keyalg EC -groupname secp256r1)
request ec256 CN=pump-17 "${ec[@]}"
request ec384 CN=pump-17 -keyalg EC -groupname secp384r1
request ec521 CN=pump-17 -keyalg EC -groupname secp521r1
request rsa2048 CN=pump-17 -keyalg RSA -keysize 2048
request rsa3072 CN=pump-17 -keyalg RSA -keysize 3072
request rsa4096 CN=pump-17 -keyalg RSA -keysize 4096
request pss CN=pump-17 -keyalg RSASSA-PSS -keysize 2048
request ed25519 CN=pump-17 -keyalg Ed25519
request ed448 CN=pump-17 -keyalg Ed448
request dsa CN=pump-17 -keyalg DSA -keysize 2048
request rsa-sha1 CN=pump-17 -keyalg RSA -keysize 2048 -- -sigalg SHA1withRSA
request rsa-sha384 CN=pump-17 -keyalg RSA -keysize 2048 -- -sigalg SHA384withRSA
request rsa-as-pss CN=pump-17 -keyalg RSA -keysize 2048 -- -sigalg RSASSA-PSS
request ec-sha384 CN=pump-17 "${ec[@]}" -- -sigalg SHA384withECDSA
request full 'CN=pump-17, OU=Plant 7, O=Acme, L=München, ST=Bayern, C=DE' "${ec[@]}"
request usage CN=pump-17 "${ec[@]}" -- -ext KU=digitalSignature
request client CN=pump-17 "${ec[@]}" -- -ext EKU=clientAuth
request server CN=pump-17 "${ec[@]}" -- -ext EKU=serverAuth
request dns CN=pump-17 "${ec[@]}" -- -ext SAN=dns:pump.example.com
request uri CN=pump-17 "${ec[@]}" -- -ext SAN=uri:urn:thingward:default:corpus
request ca CN=pump-17 "${ec[@]}" -- -ext BC=ca:true
request not-ca CN=pump-17 "${ec[@]}" -- -ext BC=ca:false
