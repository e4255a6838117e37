"""Lints every .der certificate and .crl list of a folder with pkilint, in one process.

Prints one line for each kind of finding at warning or above, then what was looked at. Exits 1 on any finding.
"""

import collections
import pathlib
import re
import sys

from pkilint import loader, pkix, validation
from pkilint.pkix import certificate, crl, extension, name


SEVERITY = validation.ValidationFindingSeverity
SERIOUS = (SEVERITY.WARNING, SEVERITY.ERROR, SEVERITY.FATAL)


# pkilint takes every URI for a URL of the web and reports URNs as malformed. RFC 5280 section 4.2.1.6 asks for a URI;
# this is the grammar of RFC 8141 section 2, and only what matches it as a whole is forgiven.
URN = re.compile(r"Invalid URI syntax: \"urn:[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]:(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+\"")


def certificate_linter():
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


def crl_linter():
    return crl.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container(),
            crl.create_extensions_validator_container([]),
        ],
    )


def main(folder):
    kinds = [
        ("*.der", loader.RFC5280CertificateDocumentLoader(), certificate_linter()),
        ("*.crl", loader.RFC5280CertificateListDocumentLoader(), crl_linter()),
    ]
    findings = collections.Counter()
    urns = 0
    counts = []
    for pattern, document_loader, linter in kinds:
        paths = sorted(pathlib.Path(folder).glob(pattern))
        counts.append(f"{pattern}={len(paths)}")
        for path in paths:
            document = document_loader.load_der_document(path.read_bytes(), path.name)
            for result in linter.validate(document.root):
                for finding in result.finding_descriptions:
                    if finding.finding.severity not in SERIOUS:
                        continue
                    if finding.finding.code == "pkix.invalid_uri_syntax" and URN.fullmatch(finding.message):
                        urns += 1
                    else:
                        findings[f"{pattern} {finding.finding.code}: {finding.message}"] += 1
    for text, count in findings.most_common(20):
        print(f"{count} x {text}")
    print(f"pkilint looked at {' '.join(counts)} findings={sum(findings.values())} (URNs taken for URLs: {urns})")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
