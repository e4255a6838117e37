"""Verifies a webhook as the library of Standard Webhooks for Python does. Reads JSON, prints the type of the event."""

import json
import sys

from standardwebhooks import Webhook

given = json.load(sys.stdin)
event = Webhook(given["secret"]).verify(given["body"], given["headers"])
print(event["type"])
