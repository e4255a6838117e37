#!/usr/bin/env python3
"""Chooses the picture: each line of the standard input is the name of one.

Shows its certificate to the edge over MQTT 5 and TLS, and says what becomes of each choice. Its exit code is 0 when the
input ends, 1 when the edge refuses it, and 2 when the edge throws it out.
"""

import argparse
import queue
import sys
import threading

import paho.mqtt.client as mqtt

TOPIC = "gallery/picture"
KEEP_ALIVE_SECONDS = 30
# The edge or the broker is busy or shuts down (MQTT 5.0 2.4): try again later. Any other reason stays until somebody acts.
PASSING = {0x88, 0x89, 0x8B, 0x8D, 0x97, 0x9C}
EXIT_CODES = {"refused": 1, "thrown out": 2}


def words_of(reason, properties):
    """The edge's own words for a reason, or those of the standard."""
    return getattr(properties, "ReasonString", None) or str(reason)


def connect(options, events):
    """A client that keeps trying as long as the reason is one that passes. What happens goes into the queue."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=options.thing, protocol=mqtt.MQTTv5)
    folder = options.folder or options.thing
    client.tls_set(ca_certs=options.ca, certfile=f"{folder}/device.crt", keyfile=f"{folder}/device.key")
    client.reconnect_delay_set(1, 30)

    def on_connect(_client, _data, _flags, reason, properties):
        if not reason.is_failure:
            events.put(("connected", f"as {options.thing}"))
        elif reason.value not in PASSING:
            events.put(("refused", words_of(reason, properties)))
            client.disconnect()

    def on_disconnect(_client, _data, flags, reason, properties):
        if flags.is_disconnect_packet_from_server and reason.value not in PASSING:
            events.put(("thrown out", words_of(reason, properties)))
            client.disconnect()
        elif reason.is_failure:
            events.put(("lost", f"{words_of(reason, properties)}; trying again"))

    def on_publish(_client, _data, message_id, reason, properties):
        words = words_of(reason, properties) if reason.is_failure else None
        events.put(("answered", (message_id, words)))

    client.on_connect = on_connect
    client.on_disconnect = on_disconnect
    client.on_publish = on_publish
    client.connect_async(options.host, options.port, KEEP_ALIVE_SECONDS, bind_address=options.bind)
    client.loop_start()
    return client


def read_choices(events):
    """Puts each line of the input into the queue, and its end."""
    for line in sys.stdin:
        if line.strip():
            events.put(("choose", line.strip()))
    events.put(("end", None))


def run(options):
    """Serves the queue until there is nothing more to do. Returns the exit code."""
    events = queue.Queue()
    client = connect(options, events)
    threading.Thread(target=read_choices, args=(events,), daemon=True).start()
    waiting = {}
    has_more = True
    while has_more or waiting:
        kind, what = events.get()
        if kind == "choose":
            message = client.publish(TOPIC, what, qos=1, retain=True)
            waiting[message.mid] = what
        elif kind == "end":
            has_more = False
        elif kind == "answered":
            message_id, words = what
            name = waiting.pop(message_id)
            print(f"chosen: {name}" if words is None else f"denied: {name}: {words}", flush=True)
        else:
            print(f"{kind}: {what}", flush=True)
        if kind in EXIT_CODES:
            return EXIT_CODES[kind]
    client.disconnect()
    client.loop_stop()
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("thing", help="the name of the thing")
    parser.add_argument("--folder", help="where its device.crt and device.key are (default: a folder with its name)")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=18831)
    parser.add_argument("--ca", default="ca.crt", help="who signed the certificate of the edge")
    parser.add_argument("--bind", default="", help="the address of this machine to connect from")
    sys.exit(run(parser.parse_args()))


if __name__ == "__main__":
    main()
