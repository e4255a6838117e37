use rcgen::*;
use std::fs;
fn main() {
    let out = std::env::args().nth(1).unwrap();
    let save = |name: &str, request: CertificateSigningRequest| fs::write(format!("{out}/{name}.pem"), request.pem().unwrap()).unwrap();
    for (name, algorithm) in [("p256", &PKCS_ECDSA_P256_SHA256), ("p384", &PKCS_ECDSA_P384_SHA384), ("ed25519", &PKCS_ED25519)] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        save(&format!("{name}-default"), CertificateParams::default().serialize_request(&key).unwrap());
        let mut empty = CertificateParams::default();
        empty.distinguished_name = DistinguishedName::new();
        save(&format!("{name}-empty-subject"), empty.serialize_request(&key).unwrap());
        save(&format!("{name}-dns"), CertificateParams::new(vec!["pump.example.com".to_string()]).unwrap().serialize_request(&key).unwrap());
        let mut client = CertificateParams::default();
        client.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        save(&format!("{name}-client"), client.serialize_request(&key).unwrap());
        let mut ca = CertificateParams::default();
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        save(&format!("{name}-cert-sign"), ca.serialize_request(&key).unwrap());
        let mut named = CertificateParams::default();
        named.distinguished_name = DistinguishedName::new();
        named.distinguished_name.push(DnType::CommonName, DnValue::BmpString("pump".try_into().unwrap()));
        named.distinguished_name.push(DnType::OrganizationName, DnValue::TeletexString("Example".try_into().unwrap()));
        save(&format!("{name}-string-types"), named.serialize_request(&key).unwrap());
    }
}
