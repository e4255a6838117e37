"""Python: cryptography and csrbuilder. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and what made each."""
import datetime
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, ed448, padding, rsa
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
CN = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pump-17")])


def keep(name, what, octets):
    with open(f"{name}.csr", "wb") as file:
        file.write(octets)
    print(f"{name}\t{what}")


def request(name, what, key=EC, subject=CN, extensions=(), attributes=(), digest=hashes.SHA256(), **how):
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for oid, value in attributes:
        builder = builder.add_attribute(oid, value)
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        digest = None
    keep(name, f"cryptography: CertificateSigningRequestBuilder, {what}", builder.sign(key, digest, **how).public_bytes(PEM))


def usage(**wanted):
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


request("ec256", "P-256")
request("ec384", "P-384, SHA-384", ec.generate_private_key(ec.SECP384R1()), digest=hashes.SHA384())
request("ec521", "P-521", ec.generate_private_key(ec.SECP521R1()))
request("k256", "secp256k1", ec.generate_private_key(ec.SECP256K1()))
request("ed25519", "Ed25519", ed25519.Ed25519PrivateKey.generate())
request("ed448", "Ed448", ed448.Ed448PrivateKey.generate())
for bits in (1024, 2048, 3072, 4096):
    request(f"rsa{bits}", f"RSA {bits}", rsa.generate_private_key(65537, bits))
request("rsa-e3", "RSA, exponent 3", rsa.generate_private_key(3, 2048))
request("pss", "RSA-PSS, salt of the digest", RSA,
        rsa_padding=padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH))
request("pss-max", "RSA-PSS, longest salt", RSA,
        rsa_padding=padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH))
request("empty", "no subject", subject=x509.Name([]))
request("unicode", "a CN of Cyrillic", subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "насос-17")]))
request("client", "clientAuth", extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)])
request("server", "serverAuth", extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)])
request("usage", "digitalSignature, critical", extensions=[(usage(digital_signature=True), True)])
request("usage-more", "digitalSignature and keyAgreement", extensions=[(usage(digital_signature=True, key_agreement=True), True)])
request("not-ca", "CA:FALSE", extensions=[(x509.BasicConstraints(False, None), True)])
request("ca", "CA:TRUE", extensions=[(x509.BasicConstraints(True, None), True)])
request("dns", "a DNS name", extensions=[(x509.SubjectAlternativeName([x509.DNSName("pump.example.com")]), False)])
request("uri", "the thing's name", extensions=[
    (x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:thingward:default:corpus")]), False)])
request("key-id", "subjectKeyIdentifier", extensions=[(x509.SubjectKeyIdentifier.from_public_key(EC.public_key()), False)])
request("challenge", "a challenge password", attributes=[(AttributeOID.CHALLENGE_PASSWORD, b"secret")])
request("private", "an extension of its own", extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)])
