"""Reads what the makers wrote, asks other readers about it, and writes NAME.json for each.

    python3 collect.py FOLDER NAME 'what made it, with its version' ...

FOLDER/NAME has the .csr files of a maker, and list.txt with what it printed. Needs OpenSSL, Python's cryptography, and
GO_READER, a program that prints true for each file that crypto/x509 reads and whose signature it verifies.
"""
import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from cryptography import x509

BLOCK = re.compile(rb"-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----(.*?)-----END", re.S)


def der_of(octets: bytes) -> bytes:
    block = BLOCK.search(octets)
    if block:
        return base64.b64decode(re.sub(rb"\s", b"", block[1]))
    return base64.b64decode(octets) if re.fullmatch(rb"[A-Za-z0-9+/=\s]+", octets) else octets


def reads(der: bytes) -> dict[str, bool]:
    said = subprocess.run(["openssl", "req", "-inform", "DER", "-noout", "-verify"], input=der, capture_output=True)
    Path("request.der").write_bytes(der)
    go = subprocess.run([os.environ["GO_READER"], "request.der"], capture_output=True, text=True).stdout
    try:
        is_valid = x509.load_der_x509_csr(der).is_signature_valid
    except Exception:
        is_valid = False
    return {"OpenSSL": said.returncode == 0, "Go": go.strip() == "true", "cryptography": is_valid}


def request(folder: Path, line: str) -> dict:
    name, made = line.rstrip("\n").split("\t")
    octets = (folder / f"{name}.csr").read_bytes()
    der = der_of(octets)
    is_pem = octets.isascii() and BLOCK.search(octets)
    csr = octets.decode() if is_pem else base64.b64encode(der).decode()
    return {"name": name, "made": made.strip(), "csr": csr, "readers": reads(der)}


root = Path(sys.argv[1])
for name, maker in zip(sys.argv[2::2], sys.argv[3::2]):
    lines = (root / name / "list.txt").read_text().splitlines()
    requests = [request(root / name, line) for line in lines]
    Path(f"{name}.json").write_text(json.dumps({"maker": maker, "requests": requests}, indent=2, ensure_ascii=False) + "\n")
