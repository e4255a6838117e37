"""Asks pyHanko's validator, which knows delta lists.

usage: pyhanko_judge.py FOLDER BUNDLE DELTA DEVICE... with FOLDER/root.pem, int.pem and DEVICE.pem
Prints "pyHanko|device|good", "pyHanko|device|revoked" or "pyHanko|device|" and what else was wrong.
"""
import asyncio
import pathlib
import sys

from asn1crypto import crl, pem, x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import RevokedError, ValidationError

folder = pathlib.Path(sys.argv[1])


def blocks(name):
    return [der for _, _, der in pem.unarmor((folder / name).read_bytes(), multiple=True)]


def certificate(name):
    return x509.Certificate.load(blocks(f"{name}.pem")[0])


async def verdict(device):
    context = ValidationContext(
        trust_roots=[certificate("root")],
        crls=[crl.CertificateList.load(der) for name in sys.argv[2:4] for der in blocks(name)],
        revocation_mode="require",
    )
    validator = CertificateValidator(certificate(device), [certificate("int")], context)
    try:
        await validator.async_validate_usage({"digital_signature"})
        return "good"
    except RevokedError:
        return "revoked"
    except ValidationError as error:
        return str(error).replace("\n", " ")


for each in sys.argv[4:]:
    print(f"pyHanko|{each}|{asyncio.run(verdict(each))}")
