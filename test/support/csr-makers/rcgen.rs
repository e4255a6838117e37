//! rcgen. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and what made each.
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

fn keep(name: &str, what: &str, key: &KeyPair, bend: impl FnOnce(&mut CertificateParams)) {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "pump-17");
    bend(&mut params);
    let request = params.serialize_request(key).expect("request").pem().expect("PEM");
    std::fs::write(format!("{name}.csr"), request).expect("file");
    println!("{name}\tCertificateParams::serialize_request, {what}");
}

fn main() {
    let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("key");
    keep("ec256", "P-256", &ec, |_| {});
    keep("ec384", "P-384", &KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("key"), |_| {});
    keep("ed25519", "Ed25519", &KeyPair::generate_for(&PKCS_ED25519).expect("key"), |_| {});
    keep("empty", "no subject", &ec, |params| params.distinguished_name = rcgen::DistinguishedName::new());
    keep("uri", "the thing's name", &ec, |params| params.subject_alt_names.push(SanType::URI("urn:thingward:default:corpus".try_into().expect("text"))));
    keep("dns", "a DNS name", &ec, |params| params.subject_alt_names.push(SanType::DnsName("pump.example.com".try_into().expect("text"))));
    keep("usage", "digitalSignature", &ec, |params| params.key_usages.push(KeyUsagePurpose::DigitalSignature));
    keep("client", "clientAuth", &ec, |params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth));
    keep("server", "serverAuth", &ec, |params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth));
}
