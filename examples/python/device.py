#!/usr/bin/env python3
"""A device of Thingward, with the standard library and `cryptography` alone.

  THINGWARD_URL=https://things.example.com NAME=pump-17 ENROLLMENT=twe_... python3 device.py provision
  python3 device.py daily    # once a day: renews in time
  python3 device.py token    # prints an access token

It keeps device.key, device.crt, links.json and trust.pem in the folder where it runs. A power cut at any moment leaves
files with which the same command resumes. TRUST names a file with the CA of the server, if it is a private one.
"""

import base64
import hashlib
import json
import os
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

URL = os.environ.get("THINGWARD_URL", "").rstrip("/")
NAME = os.environ.get("NAME", "")
RENEW_WITHIN = timedelta(days=30)
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Refused(Exception):
    """The server refused, and said why and what to do."""


def pause(seconds):
    """Waits by a clock that nobody sets."""
    threading.Event().wait(seconds)


def keep(path, data):
    """Writes a file as a whole: its name never stands for half of it."""
    with open(path + ".new", "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def read(path):
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return file.read()


def trust():
    """What the server said last, beside what the device was given; without both, what the system trusts."""
    given = os.environ.get("TRUST")
    if given is None and not os.path.exists("trust.pem"):
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for file in filter(os.path.exists, filter(None, [given, "trust.pem"])):
        context.load_verify_locations(file)
    return context


def ask(url, body=None, authorization=None):
    """Status and answer. A server or network that is away is asked again."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    if body is not None:
        request.add_header("content-type", "application/json")
    if authorization is not None:
        request.add_header("authorization", authorization)
    for attempt in range(5):
        try:
            with urllib.request.urlopen(request, timeout=30, context=trust()) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            problem = json.loads(error.read() or b"{}")
            if error.code not in (429, 502, 503, 504):
                raise Refused(problem.get("detail") or problem.get("error_description")) from None
        except OSError:
            pass
        pause(2**attempt)
    raise Refused(f"{url} does not answer: run this again later")


def links():
    kept = read("links.json")
    return json.loads(kept) if kept else {"token": f"{URL}/v1/token", "renew": f"{URL}/v1/renew"}


def learn(answer):
    """Where the server is, and by what to believe it, from now on."""
    keep("links.json", json.dumps(answer["links"]).encode())
    if "trust" in answer:
        keep("trust.pem", answer["trust"].encode())


def key_in(path):
    """The key in a file, made if there is none."""
    if not os.path.exists(path):
        key = ec.generate_private_key(ec.SECP256R1())
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        keep(path, key.private_bytes(*form))
    return serialization.load_pem_private_key(read(path), None)


def request_of(key):
    """A certificate request in DER. Thingward takes the key alone from it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def certificate():
    return x509.load_pem_x509_certificate(read("device.crt"))


def not_after(held):
    if hasattr(held, "not_valid_after_utc"):
        return held.not_valid_after_utc
    return held.not_valid_after.replace(tzinfo=timezone.utc)


def jwt(kind, more=None):
    """What the key of the certificate signs, for this server and the next two minutes."""
    held = certificate()
    name = {part.oid.dotted_string: part.value for part in held.subject}
    subject = f"{name['2.5.4.10']}/{name['2.5.4.3']}"
    now = int(time.time())
    thumbprint = base64url(held.fingerprint(hashes.SHA256()))
    header = {"alg": "ES256", "typ": kind, "x5t#S256": thumbprint}
    claims = {"iss": subject, "sub": subject, "jti": str(uuid.uuid4()), "iat": now, "exp": now + 120, **(more or {})}
    claims["aud"] = links()["token"].removesuffix("/v1/token")
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    r, s = decode_dss_signature(key_in("device.key").sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def provision():
    """First boot. The same key is the same request, so it can be run again; and again while it waits for approval."""
    csr = base64.b64encode(request_of(key_in("device.key"))).decode()
    said = False
    while True:
        body = {"thingName": NAME, "csr": csr}
        status, answer = ask(f"{URL}/v1/provision", body, f"Bearer {os.environ['ENROLLMENT']}")
        if status != 202:
            break
        if not said:
            print(f"waiting for approval as {answer['id']}", file=sys.stderr)
        said = True
        pause(answer["retryAfter"])
    learn(answer)
    keep("device.crt", answer["certificate"]["pem"].encode())


def token():
    """An access token. The first one with a new key ends what the device had before."""
    body = {"grant_type": "client_credentials", "client_assertion_type": BEARER}
    _, answer = ask(links()["token"], {**body, "client_assertion": jwt("client-authentication+jwt")})
    return answer["access_token"]


def finish():
    """Puts a renewed certificate in place: its key moves first. Also after a power cut."""
    if not os.path.exists("next.crt"):
        return
    if os.path.exists("next.key"):
        os.replace("next.key", "device.key")
    if os.path.exists("next.csr"):
        os.remove("next.csr")
    os.replace("next.crt", "device.crt")


def renew():
    """A certificate for a new key. next.csr is kept until both are in place: the same request gets the same certificate."""
    key = key_in("next.key")
    if not os.path.exists("next.csr"):
        keep("next.csr", request_of(key))
    csr = read("next.csr")
    proof = jwt("renew+jwt", {"csr_sha256": base64url(hashlib.sha256(csr).digest())})
    _, answer = ask(links()["renew"], {"csr": base64.b64encode(csr).decode(), "proof": proof})
    learn(answer)
    keep("next.crt", answer["certificate"]["pem"].encode())
    finish()
    token()


def daily():
    finish()
    # An expired certificate is renewed as well, where the enrollment allows it; otherwise the refusal says what to do.
    if not_after(certificate()) - datetime.now(timezone.utc) < RENEW_WITHIN:
        renew()


def main():
    verbs = {"provision": provision, "daily": daily, "token": lambda: print(token())}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    try:
        verbs[sys.argv[1]]()
    except Refused as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
