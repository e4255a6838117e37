#!/usr/bin/env bash
# Writes requests with OpenSSL, GnuTLS, strongSwan, Botan, NSS, cfssl and keytool. usage: programs.sh OUT KEYS
set -u
out=$1; keys=$2; cd "$(mktemp -d)"
# What made each file, for the manifest: the paths of this run left out.
said() { local file=$1; shift; printf '%s\t%s\n' "$file" "${*//$keys\//}" >> "$out/commands.tsv"; }
mkdir -p "$out"/{openssl,gnutls,strongswan,botan,nss,cfssl,keytool}

o() { local name=$1; shift; said openssl/$name openssl req -new "$@"; openssl req -new -out "$out/openssl/$name.pem" "$@" 2>err || { echo "openssl $name: $(tail -1 err)"; rm -f "$out/openssl/$name.pem"; }; }
for key in p256 p384 p521 secp256k1 bp256 ed25519 ed448 rsa1024 rsa2048 rsa3072 rsa4096 rsa8192 rsapss dsa rsa2048e3 p256explicit p256compressed; do o $key-default -key "$keys/$key.pem" -subj /CN=pump; done
for key in p256 rsa2048; do
  k=$keys/$key.pem
  for md in sha1 sha224 sha384 sha512 sha3-256; do o $key-$md -key $k -subj /CN=pump -$md; done
  o $key-empty -key $k -subj /
  o $key-two-ou -key $k -subj '/O=Example/OU=Fleet/OU=Pumps/CN=pump'
  o $key-dc -key $k -subj '/DC=com/DC=example/OU=devices/CN=pump'
  o $key-multi-valued -key $k -multivalue-rdn -subj '/O=Example/CN=pump+serialNumber=17'
  o $key-utf8 -key $k -utf8 -subj '/CN=Pümpe'
  o $key-newhdr -key $k -subj /CN=pump -newhdr
  o $key-text -key $k -subj /CN=pump -text
  o $key-v3-req -key $k -subj /CN=pump -reqexts v3_req -config /usr/lib/ssl/openssl.cnf
  o $key-profile -key $k -subj /CN=pump -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=clientAuth
  o $key-ca-false -key $k -subj /CN=pump -addext basicConstraints=CA:FALSE
  o $key-ca-true -key $k -subj /CN=pump -addext basicConstraints=CA:TRUE
  o $key-dns -key $k -subj /CN=pump -addext subjectAltName=DNS:pump.example.com
  o $key-ip -key $k -subj /CN=pump -addext subjectAltName=IP:127.0.0.1
  o $key-thing-uri -key $k -subj /CN=pump -addext subjectAltName=URI:urn:thingward:default:pump
  o $key-other-uri -key $k -subj /CN=pump -addext subjectAltName=URI:urn:thingward:default:admin
  o $key-ski -key $k -subj /CN=pump -addext subjectKeyIdentifier=hash
  o $key-server-auth -key $k -subj /CN=pump -addext extendedKeyUsage=clientAuth,serverAuth
  o $key-must-staple -key $k -subj /CN=pump -addext tlsfeature=status_request
  o $key-ns-client -key $k -subj /CN=pump -addext nsCertType=client
  o $key-ns-comment -key $k -subj /CN=pump -addext 'nsComment=OpenSSL Generated Certificate'
  o $key-policies -key $k -subj /CN=pump -addext certificatePolicies=1.2.3.4
done
o rsa2048-md5 -key "$keys/rsa2048.pem" -subj /CN=pump -md5
o rsa2048-pss -key "$keys/rsa2048.pem" -subj /CN=pump -sigopt rsa_padding_mode:pss
o rsa2048-pss-digest -key "$keys/rsa2048.pem" -subj /CN=pump -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest
o rsa2048-pss-sha1 -key "$keys/rsa2048.pem" -subj /CN=pump -sha1 -sigopt rsa_padding_mode:pss
printf '[req]\ndistinguished_name=dn\nattributes=at\nprompt=no\n[dn]\nCN=pump\n[at]\nchallengePassword=secret\nunstructuredName=x\n' > a.cnf
o p256-challenge -key "$keys/p256.pem" -config a.cnf
for mask in MASK:0x0002 MASK:0x0004 MASK:0x0800 MASK:0x0010; do printf '[req]\ndistinguished_name=dn\nprompt=no\nstring_mask=%s\n[dn]\nCN=pump\nO=Example' $mask > m.cnf; o p256-string-${mask#MASK:0x} -key "$keys/p256.pem" -config m.cnf; done
openssl req -in "$out/openssl/p256-default.pem" -outform DER | openssl base64 -A > "$out/openssl/p256-der-base64.pem"
openssl req -in "$out/openssl/rsa2048-default.pem" -outform DER | openssl base64 > "$out/openssl/rsa2048-der-base64.pem"
sed 's/$/\r/' "$out/openssl/p256-default.pem" > "$out/openssl/p256-crlf.pem"
cat "$out/openssl/p256-default.pem" "$out/openssl/p384-default.pem" > "$out/openssl/two-requests.pem"

g() { local name=$1 key=$2; shift 2; said gnutls/$name certtool --generate-request --load-privkey $key.p8 --template "$(printf '%s; ' "$@")"; printf '%s\n' "$@" > t.cfg; certtool --generate-request --load-privkey "$keys/$key.p8" --template t.cfg --outfile "$out/gnutls/$name.pem" >err 2>&1 || { echo "gnutls $name: $(tail -1 err)"; rm -f "$out/gnutls/$name.pem"; }; }
for key in p256 p384 p521 ed25519 ed448 rsa1024 rsa2048 rsa3072 rsa4096; do g $key-default $key 'cn = "gw-3"' 'organization = "Example"'; done
for key in p256 rsa2048; do
  g $key-empty $key ''
  g $key-device $key 'cn = "gw-3"' signing_key tls_www_client
  g $key-signing $key 'cn = "gw-3"' signing_key
  g $key-encryption $key 'cn = "gw-3"' signing_key encryption_key
  g $key-server $key 'cn = "gw-3"' signing_key tls_www_server
  g $key-ca $key 'cn = "gw-3"' ca cert_signing_key
  g $key-dns $key 'cn = "gw-3"' 'dns_name = "gw.example.com"'
  g $key-password $key 'cn = "gw-3"' 'challenge_password = secret'
  g $key-dc $key 'dc = "com"' 'dc = "example"' 'unit = "a"' 'unit = "b"' 'cn = "gw"' 'uid = "7"'
done
for key in p256 rsa2048; do for hash in sha1 sha384 sha512; do printf 'cn = "gw"\n' > t.cfg; certtool --generate-request --load-privkey "$keys/$key.p8" --template t.cfg --hash $hash --outfile "$out/gnutls/$key-$hash.pem" >/dev/null 2>&1; done; done
printf 'cn = "gw"\n' > t.cfg; certtool --generate-request --load-privkey "$keys/rsa2048.p8" --template t.cfg --sign-params rsa-pss --outfile "$out/gnutls/rsa2048-pss.pem" >/dev/null 2>&1

s() { local name=$1; shift; said strongswan/$name pki --req "$@"; pki --req "$@" --outform pem > "$out/strongswan/$name.pem" 2>err || { echo "pki $name: $(tail -1 err)"; rm -f "$out/strongswan/$name.pem"; }; }
for key in p256:ecdsa p384:ecdsa p521:ecdsa rsa2048:rsa rsa1024:rsa rsa3072:rsa; do s ${key%%:*}-default --type ${key##*:} --in "$keys/${key%%:*}.pem" --dn 'C=DE, O=Example, CN=pump'; done
s p256-san --type ecdsa --in "$keys/p256.pem" --dn CN=pump --san pump.example.com
s p256-password --type ecdsa --in "$keys/p256.pem" --dn CN=pump --password secret
s rsa2048-sha1 --type rsa --in "$keys/rsa2048.pem" --dn CN=pump --digest sha1
s rsa2048-sha512 --type rsa --in "$keys/rsa2048.pem" --dn CN=pump --digest sha512
s rsa2048-pss --type rsa --in "$keys/rsa2048.pem" --dn CN=pump --rsa-padding pss

for key in p256 p384 p521 rsa1024 rsa2048 rsa4096 ed25519; do botan gen_pkcs10 "$keys/$key.p8" pump --organization=Example > "$out/botan/$key-default.pem" 2>err || { echo "botan $key $(tail -1 err)"; rm -f "$out/botan/$key-default.pem"; }; done
botan gen_pkcs10 "$keys/rsa2048.p8" pump --emsa=EMSA4 > "$out/botan/rsa2048-pss.pem" 2>/dev/null || rm -f "$out/botan/rsa2048-pss.pem"
botan gen_pkcs10 "$keys/p256.p8" pump --hash=SHA-1 > "$out/botan/p256-sha1.pem" 2>/dev/null || rm -f "$out/botan/p256-sha1.pem"
botan gen_pkcs10 "$keys/p256.p8" pump --dns=pump.example.com > "$out/botan/p256-dns.pem" 2>/dev/null || rm -f "$out/botan/p256-dns.pem"
botan gen_pkcs10 "$keys/p256.p8" pump --ca > "$out/botan/p256-ca.pem" 2>/dev/null || rm -f "$out/botan/p256-ca.pem"

mkdir nss; printf '\n' > pw; certutil -N -d nss -f pw >/dev/null 2>&1; head -c 4096 /dev/urandom > noise
n() { local name=$1; shift; said nss/$name certutil -R "$@"; certutil -R -d nss -f pw -z noise -a -o "$out/nss/$name.pem" "$@" >err 2>&1 || { echo "nss $name: $(tail -1 err)"; rm -f "$out/nss/$name.pem"; }; }
n p256-default -k ec -q nistp256 -s 'CN=pump,O=Example'
n p384-default -k ec -q nistp384 -s 'CN=pump'
n p521-default -k ec -q nistp521 -s 'CN=pump'
n rsa2048-default -k rsa -g 2048 -s 'CN=pump,OU=a,OU=b'
n rsa2048-sha1 -k rsa -g 2048 -s CN=pump -Z SHA1
n rsa2048-pss-key -k rsa -g 2048 -s CN=pump --pss
n p256-usage -k ec -q nistp256 -s CN=pump --keyUsage digitalSignature --extKeyUsage clientAuth
n p256-encipherment -k ec -q nistp256 -s CN=pump --keyUsage digitalSignature,keyEncipherment
n p256-ns-client -k ec -q nistp256 -s CN=pump --nsCertType sslClient
n p256-dns -k ec -q nistp256 -s CN=pump -8 pump.example.com

c() { cfssl genkey - 2>err | python3 -c 'import json,sys; sys.stdout.write(json.load(sys.stdin)["csr"])' > "$out/cfssl/$1.pem" || { echo "cfssl $1"; rm -f "$out/cfssl/$1.pem"; }; }
for k in ecdsa:256 ecdsa:384 ecdsa:521 rsa:2048 rsa:4096; do echo "{\"CN\":\"pump\",\"names\":[{\"O\":\"Example\",\"OU\":\"a\"}],\"key\":{\"algo\":\"${k%%:*}\",\"size\":${k##*:}}}" | c ${k/:/}-default; done
echo '{"CN":"pump","hosts":["pump.example.com"],"key":{"algo":"ecdsa","size":256}}' | c ecdsa256-hosts

k() { local name=$1 alias=$2; shift 2; said keytool/$name keytool -certreq -alias $alias "$@"; keytool -certreq -keystore ks.p12 -storepass secret -alias $alias -file "$out/keytool/$name.pem" "$@" >err 2>&1 || { echo "keytool $name: $(tail -1 err)"; rm -f "$out/keytool/$name.pem"; }; }
kp() { keytool -genkeypair -keystore ks.p12 -storepass secret -alias $1 -dname "${2}" -keyalg "${@:3}" >/dev/null 2>&1; }
dn='CN=pump, OU=a, OU=b, O=Example, C=DE'
kp p256 "$dn" EC -groupname secp256r1; kp p384 "$dn" EC -groupname secp384r1; kp p521 "$dn" EC -groupname secp521r1; kp ed "$dn" Ed25519; kp ed448 "$dn" Ed448
kp rsa1024 "$dn" RSA -keysize 1024; kp rsa2048 "$dn" RSA -keysize 2048; kp rsa4096 "$dn" RSA -keysize 4096; kp pss "$dn" RSASSA-PSS -keysize 2048; kp dsa "$dn" DSA -keysize 2048
for a in p256 p384 p521 ed ed448 rsa1024 rsa2048 rsa4096 pss dsa; do k $a-default $a; done
k rsa2048-sha1 rsa2048 -sigalg SHA1withRSA; k rsa2048-md5 rsa2048 -sigalg MD5withRSA; k rsa2048-sha512 rsa2048 -sigalg SHA512withRSA; k rsa2048-pss rsa2048 -sigalg RSASSA-PSS
for a in p256 rsa2048; do
  k $a-dns $a -ext san=dns:pump.example.com
  k $a-usage $a -ext ku:c=digitalSignature -ext eku=clientAuth
  k $a-encipherment $a -ext ku:c=digitalSignature,keyEncipherment
  k $a-ca $a -ext bc:c
  k $a-ca-false $a -ext bc=ca:false
  k $a-server $a -ext eku=serverAuth,clientAuth
  k $a-multi-valued $a -dname 'CN=pump+UID=7, O=Example'
done
