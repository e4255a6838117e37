"""Writes requests with cryptography, python-mbedtls and csrbuilder, as far as they are installed. usage: python.py OUT KEYS"""
import sys
from pathlib import Path

out, keys = Path(sys.argv[1]), Path(sys.argv[2])


def save(maker, name, text):
    (out / maker).mkdir(parents=True, exist_ok=True)
    (out / maker / f"{name}.pem").write_bytes(text.encode() if isinstance(text, str) else text)


def with_cryptography():
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID

    def load(name):
        return serialization.load_pem_private_key((keys / f"{name}.p8").read_bytes(), None)

    def make(name, key, algorithm=hashes.SHA256(), subject=None, extensions=(), attributes=(), **more):
        builder = x509.CertificateSigningRequestBuilder().subject_name(
            subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pump")])
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        for oid, value in attributes:
            builder = builder.add_attribute(oid, value)
        request = builder.sign(key, algorithm, **more)
        save("python-cryptography", name, request.public_bytes(serialization.Encoding.PEM))

    usage = dict.fromkeys(
        ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"],
        False,
    )
    p256, rsa = load("p256"), load("rsa2048")
    make("p256-default", p256)
    make("p384-default", load("p384"), hashes.SHA384())
    make("p521-default", load("p521"), hashes.SHA512())
    make("ed25519-default", load("ed25519"), None)
    make("rsa2048-default", rsa)
    make("rsa1024-default", load("rsa1024"))
    make("rsa2048-pss", rsa, rsa_padding=padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH))
    make("p256-empty", p256, subject=x509.Name([]) or None)
    make("p256-challenge", p256, attributes=[(AttributeOID.CHALLENGE_PASSWORD, b"secret")])
    make("p256-client", p256, extensions=[x509.KeyUsage(digital_signature=True, **usage), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), x509.BasicConstraints(False, None)])
    make("p256-encipherment", p256, extensions=[x509.KeyUsage(digital_signature=True, **{**usage, "key_encipherment": True})])
    make("p256-dns", p256, extensions=[x509.SubjectAlternativeName([x509.DNSName("pump.example.com")])])
    make("p256-ca", p256, extensions=[x509.BasicConstraints(True, 0)])
    make("p256-multi-valued", p256, subject=x509.Name([x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.SERIAL_NUMBER, "7")])]))
    make("p256-bmp", p256, subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pump", x509.name._ASN1Type.BMPString)]))


def with_mbedtls():
    from mbedtls import hashlib, pk, x509

    for name, key, digest in [
        ("p256-sha256", pk.ECC.from_file(str(keys / "p256.pem")) if hasattr(pk.ECC, "from_file") else None, hashlib.sha256()),
    ]:
        pass
    for name, curve in [("p256", pk.Curve.SECP256R1), ("p384", pk.Curve.SECP384R1), ("p521", pk.Curve.SECP521R1), ("secp256k1", pk.Curve.SECP256K1)]:
        key = pk.ECC(curve)
        key.generate()
        for digest in ("sha256", "sha1"):
            request = x509.CSR.new(key, "CN=pump,O=Example", getattr(hashlib, digest)())
            save("python-mbedtls", f"{name}-{digest}", request.to_PEM())
    for bits in (1024, 2048, 4096):
        key = pk.RSA()
        key.generate(bits)
        save("python-mbedtls", f"rsa{bits}-sha256", x509.CSR.new(key, "CN=pump", hashlib.sha256()).to_PEM())


def with_csrbuilder():
    from asn1crypto import pem
    from csrbuilder import CSRBuilder, pem_armor_csr
    from oscrypto import asymmetric

    for name in ("p256", "p384", "rsa2048"):
        key = asymmetric.load_private_key((keys / f"{name}.p8").read_bytes())
        builder = CSRBuilder({"common_name": "pump", "organization_name": "Example"}, key.public_key)
        save("csrbuilder", f"{name}-default", pem_armor_csr(builder.build(key)))
        builder.key_usage = {"digital_signature"}
        builder.extended_key_usage = {"client_auth"}
        save("csrbuilder", f"{name}-client", pem_armor_csr(builder.build(key)))
        builder.subject_alt_domains = ["pump.example.com"]
        save("csrbuilder", f"{name}-dns", pem_armor_csr(builder.build(key)))
        builder = CSRBuilder({"common_name": "pump"}, key.public_key)
        builder.ca = True
        save("csrbuilder", f"{name}-ca", pem_armor_csr(builder.build(key)))


for make in (with_cryptography, with_mbedtls, with_csrbuilder):
    try:
        make()
    except Exception as error:
        print(make.__name__, repr(error)[:300])
