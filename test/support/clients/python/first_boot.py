"""The first boot with a client that openapi-generator made, errors included."""

import json
import os

import thingward_client as api
from thingward_client.exceptions import NotFoundException


def client(token):
    return api.ApiClient(api.Configuration(host=os.environ["THINGWARD_URL"], access_token=token))


admin = client(os.environ["THINGWARD_API_KEY"])
made = api.EnrollmentsApi(admin).create_enrollment(
    api.NewEnrollment(thing_name_pattern="py-*", max_uses=2), idempotency_key="0f8fad5b-d9cb-469f-a165-python"
)
again = api.EnrollmentsApi(admin).create_enrollment(
    api.NewEnrollment(thing_name_pattern="py-*", max_uses=2), idempotency_key="0f8fad5b-d9cb-469f-a165-python"
)
device = api.AgentsApi(client(made.token)).provision_thing(api.ProvisionRequest(thing_name="py-1", key_type="ec-p256"))
things = api.ThingsApi(admin).list_things(name_prefix="py-")
try:
    api.ThingsApi(admin).get_thing("py-2")
    refused = None
except NotFoundException as error:
    refused = error.data.type
print(json.dumps({
    "repeated": again.id == made.id,
    "thing": device.thing.name,
    "serial": len(device.certificate.serial_number),
    "listed": [thing.name for thing in things.items],
    "refused": refused,
}))
