"""The list of actions of a real client, by Eclipse Paho for Python. Prints what came of each as JSON."""

import json
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

port, password, version, letter = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
five = version == 5
patience = 60


class Client:
    """A client that keeps what it heard."""

    def __init__(self, name, clean=True, will=None):
        protocol = mqtt.MQTTv5 if five else mqtt.MQTTv311
        more = {} if five else {"clean_session": clean}
        self.mqtt = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"{letter}{name}", protocol=protocol, reconnect_on_failure=False, **more
        )
        self.mqtt.username_pw_set("u", password)
        if will:
            self.mqtt.will_set(will, "gone", qos=1)
        self.heard, self.present, self.codes = [], None, None
        self.changed = threading.Condition()
        self.mqtt.on_connect = lambda c, d, flags, code, p: self.note(present=bool(flags.session_present), failed=code.is_failure)
        self.mqtt.on_message = lambda c, d, message: self.hear(message)
        self.mqtt.on_subscribe = lambda c, d, mid, codes, p: self.note(codes=[code.value for code in codes])
        self.mqtt.on_unsubscribe = lambda c, d, mid, codes, p: self.note(codes=[])
        options = {}
        if five:
            options["clean_start"] = clean
            options["properties"] = Properties(PacketTypes.CONNECT)
            options["properties"].SessionExpiryInterval = 0 if clean else 600
        self.mqtt.connect("127.0.0.1", port, keepalive=60, **options)
        self.mqtt.loop_start()
        self.wait(lambda: self.present is not None)

    def note(self, **values):
        with self.changed:
            self.__dict__.update(values)
            self.changed.notify_all()

    def hear(self, message):
        with self.changed:
            self.heard.append(message)
            self.changed.notify_all()

    def wait(self, holds):
        with self.changed:
            if not self.changed.wait_for(holds, patience):
                raise SystemExit("what was waited for never came")

    def subscribe(self, *filters):
        self.codes = None
        asked = [(name, SubscribeOptions(qos=qos)) if five else (name, qos) for name, qos in filters]
        self.mqtt.subscribe(asked)
        self.wait(lambda: self.codes is not None)
        return self.codes

    def unsubscribe(self, name):
        self.codes = None
        self.mqtt.unsubscribe(name)
        self.wait(lambda: self.codes is not None)

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        self.mqtt.publish(topic, payload, qos, retain, properties).wait_for_publish(patience)

    def take(self, count):
        self.wait(lambda: len(self.heard) >= count)
        taken, self.heard = self.heard, []
        return taken

    def leave(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def fail(self):
        self.mqtt.socket().close()
        self.mqtt.loop_stop()


def shown(message):
    payload = message.payload.decode() if len(message.payload) < 100 else f"{len(message.payload)} octets"
    return f"{message.topic} q{message.qos}{' retain' if message.retain else ''} {payload}".replace(letter, "~")


def lines(messages):
    return sorted(shown(message) for message in messages)


done = {}
publisher, subscriber = Client("-pub"), Client("-sub", clean=False)
done["connect"] = [publisher.present, subscriber.present]
done["subscribe"] = subscriber.subscribe((f"{letter}/a/#", 2), (f"{letter}/+/q1", 1))
for qos in (0, 1, 2):
    publisher.publish(f"{letter}/a/x", f"m{qos}", qos)
done["receive"] = lines(subscriber.take(3))
publisher.publish(f"{letter}/a/x", b"x" * 200_000, 1)
large = subscriber.take(1)[0]
done["large"] = [len(large.payload), sum(large.payload)]
publisher.publish(f"{letter}/r/1", "kept", 1, retain=True)
late = Client("-late")
late.subscribe((f"{letter}/r/#", 1))
done["retained"] = lines(late.take(1))
publisher.publish(f"{letter}/r/1", b"", 1, retain=True)
late.leave()
subscriber.unsubscribe(f"{letter}/a/#")
publisher.publish(f"{letter}/a/x", "unheard", 1)
publisher.publish(f"{letter}/b/q1", "marker", 1)
done["unsubscribe"] = lines(subscriber.take(1))
subscriber.leave()
publisher.publish(f"{letter}/b/q1", "away 1", 1)
publisher.publish(f"{letter}/b/q1", "away 2", 2)
subscriber = Client("-sub", clean=False)
done["session"] = [subscriber.present, lines(subscriber.take(2))]
Client("-will", will=f"{letter}/b/q1").fail()
done["will"] = lines(subscriber.take(1))
if five:
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("k", "1"), ("k", "2"), ("a", "3")]
    properties.ResponseTopic = f"{letter}/answer"
    properties.CorrelationData = b"77"
    properties.ContentType = "text/plain"
    publisher.publish(f"{letter}/b/q1", "asked", 1, properties=properties)
    said = subscriber.take(1)[0].properties
    done["properties"] = [
        [f"{name}={value}" for name, value in said.UserProperty],
        said.ResponseTopic.replace(letter, "~"),
        said.CorrelationData.decode(),
        said.ContentType,
    ]
    members = [Client("-one"), Client("-two")]
    for member in members:
        member.subscribe((f"$share/g/{letter}/s/#", 1))
    for nth in range(6):
        publisher.publish(f"{letter}/s/x", f"s{nth}", 1)
    while sum(len(member.heard) for member in members) < 6:
        with members[0].changed:
            members[0].changed.wait(0.05)
    done["shared"] = lines(members[0].heard + members[1].heard)
    for member in members:
        member.leave()
subscriber.leave()
# The session is forgotten.
Client("-sub").leave()
publisher.leave()
print(json.dumps(done))
