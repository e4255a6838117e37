"""What Authlib, as it comes, makes of the OAuth routes. Arguments: server, client id, file with the device key, API key."""

import json
import sys

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

server, client_id, key_file, api_key = sys.argv[1:]
with open(key_file) as file:
    device_key = ECKey.import_key(file.read())

token_url = f"{server}/v1/token"
device = OAuth2Session(client_id, device_key, token_endpoint_auth_method="private_key_jwt")
device.register_client_auth_method(PrivateKeyJWT(token_url, alg="ES256"))
token = device.fetch_token(token_url, grant_type="client_credentials")

active = {}
for method in ["client_secret_basic", "client_secret_post"]:
    reader = OAuth2Session("reader", api_key, token_endpoint_auth_method=method)
    answer = reader.introspect_token(f"{server}/v1/introspect", token=token["access_token"])
    active[method] = answer.json()["active"]

refused = OAuth2Session("reader", "wrong", token_endpoint_auth_method="client_secret_basic")
failure = refused.introspect_token(f"{server}/v1/introspect", token=token["access_token"])
print(json.dumps({"token": token["access_token"], "active": active, "refused": [failure.status_code, failure.json()["error"]]}))
