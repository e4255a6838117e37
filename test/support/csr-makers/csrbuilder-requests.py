"""Python: csrbuilder, over asn1crypto and oscrypto. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and what made each."""
import re

# oscrypto 1.3 does not know versions of OpenSSL with two digits at the end.
search = re.search
re.search = lambda pattern, *rest: search(pattern.replace(r"\d\.\d\.\d[a-z]*", r"\d\.\d\.\d+[a-z]*") if isinstance(pattern, str) else pattern, *rest)

from csrbuilder import CSRBuilder, pem_armor_csr
from oscrypto import asymmetric

KEYS = {"ec256": ("ec", {"curve": "secp256r1"}), "ec384": ("ec", {"curve": "secp384r1"}), "rsa2048": ("rsa", {"bit_size": 2048})}
for name, (kind, how) in KEYS.items():
    public, private = asymmetric.generate_pair(kind, **how)
    for variant in ("plain", "sha512", "ca"):
        builder = CSRBuilder({"common_name": "pump-17", "organization_name": "Acme"}, public)
        if variant == "sha512":
            builder.hash_algo = "sha512"
        if variant == "ca":
            builder.ca = True
        with open(f"{name}-{variant}.csr", "wb") as file:
            file.write(pem_armor_csr(builder.build(private)))
        print(f"{name}-{variant}\tcsrbuilder: CSRBuilder, {kind}, {variant}")
