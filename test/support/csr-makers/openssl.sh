#!/usr/bin/env bash
# Run in an empty folder: writes NAME.csr, and prints NAME, a tab and the command for each.
set -euo pipefail
key() { local name=$1; shift; openssl genpkey -quiet "$@" -out "$name.key"; }
request() {
  local name=$1; shift
  openssl req -new "$@" -out "$name.csr" 2> /dev/null
  printf '%s\topenssl req -new %s\n' "$name" "$(printf '%q ' "$@")"
}
for curve in P-256 P-384 P-521 secp224r1 secp256k1 brainpoolP256r1; do key "$curve" -algorithm EC -pkeyopt "ec_paramgen_curve:$curve"; done
key explicit -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit
key compressed -algorithm EC -pkeyopt ec_paramgen_curve:P-256
openssl ec -in compressed.key -conv_form compressed -out compressed2.key 2> /dev/null && mv compressed2.key compressed.key
for bits in 1024 2048 3072 4096 8192; do key "rsa-$bits" -algorithm RSA -pkeyopt "rsa_keygen_bits:$bits"; done
key rsa-e3 -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3
key rsa-pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
for name in ed25519 ed448; do key "$name" -algorithm "$name"; done
for each in P-256 P-384 P-521 secp224r1 secp256k1 brainpoolP256r1 explicit compressed rsa-1024 rsa-2048 rsa-3072 rsa-4096 rsa-8192 rsa-e3 rsa-pss ed25519 ed448; do
  request "key-$each" -key "$each.key" -subj /
done
for hash in sha1 sha224 sha256 sha384 sha512 sha3-256; do
  request "ec-$hash" -key P-256.key -subj / "-$hash"
  request "rsa-$hash" -key rsa-2048.key -subj / "-$hash"
done
request rsa-md5 -key rsa-2048.key -subj / -md5
for hash in sha1 sha256 sha384; do
  request "pss-$hash" -key rsa-2048.key -subj / "-$hash" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest
done
request pss-max -key rsa-2048.key -subj / -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:max
request pss-mixed -key rsa-2048.key -subj / -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_mgf1_md:sha1
ask() { local name=$1; shift; request "$name" -key P-256.key "$@"; }
ask name-cn -subj /CN=pump-17
ask name-full -subj '/C=DE/ST=Bayern/L=Muenchen/O=Acme/OU=Plant 7/CN=pump-17/emailAddress=a@example.com'
ask name-two-units -subj /O=Acme/OU=Plant/OU=Hall/CN=pump-17
ask name-utf8 -utf8 -subj '/CN=Pümpe Größe 七'
ask name-multivalue -multivalue-rdn -subj '/CN=pump-17+serialNumber=42'
ask name-long -subj "/O=$(printf 'x%.0s' {1..64})/CN=$(printf 'y%.0s' {1..64})"
ask name-serial -subj /serialNumber=0042/CN=pump-17
ask name-dc -subj /DC=com/DC=example/CN=pump-17
ask san-uri -subj / -addext subjectAltName=URI:urn:thingward:default:corpus
ask san-other-uri -subj / -addext subjectAltName=URI:urn:thingward:default:other
ask san-dns -subj / -addext subjectAltName=DNS:pump.example.com
ask san-ip -subj / -addext subjectAltName=IP:192.0.2.1
ask san-email -subj / -addext subjectAltName=email:a@example.com
ask usage -subj / -addext keyUsage=critical,digitalSignature
ask usage-encipherment -subj / -addext keyUsage=digitalSignature,keyEncipherment
ask usage-agreement -subj / -addext keyUsage=keyAgreement
ask usage-sign -subj / -addext keyUsage=keyCertSign
ask extended-client -subj / -addext extendedKeyUsage=clientAuth
ask extended-server -subj / -addext extendedKeyUsage=serverAuth
ask extended-both -subj / -addext extendedKeyUsage=clientAuth,serverAuth
ask basic-false -subj / -addext basicConstraints=CA:FALSE
ask basic-true -subj / -addext basicConstraints=critical,CA:TRUE,pathlen:0
ask key-id -subj / -addext subjectKeyIdentifier=hash
ask ns-client -subj / -addext nsCertType=client
ask ns-server -subj / -addext nsCertType=server
ask must-staple -subj / -addext tlsfeature=status_request
ask policies -subj / -addext certificatePolicies=1.2.3.4
ask private-extension -subj / -addext 1.2.3.4=ASN1:UTF8String:hello
ask profile -subj / -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=clientAuth -addext basicConstraints=critical,CA:FALSE -addext subjectKeyIdentifier=hash
printf '[req]\ndistinguished_name=dn\nattributes=at\nprompt=no\n[dn]\nCN=pump-17\n[at]\nchallengePassword=secret-1\nunstructuredName=a pump\n' > attributes.cnf
ask attributes -config attributes.cnf
printf '[req]\ndistinguished_name=dn\nprompt=no\nreq_extensions=v3_req\n[dn]\nCN=pump-17\n[v3_req]\nbasicConstraints=CA:FALSE\nkeyUsage=nonRepudiation,digitalSignature,keyEncipherment\n' > debian.cnf
ask v3-req -config debian.cnf
printf '[req]\ndistinguished_name=dn\nprompt=no\nstring_mask=nombstr\n[dn]\nCN=pump-17\n' > t61.cnf
ask teletex -config t61.cnf
printf '[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=pump-17\n' > dn.cnf
ask asn1-kludge -config dn.cnf -newhdr
