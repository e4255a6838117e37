"""Reads messages of CoAP by aiocoap: a line `u HEX` is a datagram, `t HEX` a stream. Answers each with a line of JSON."""

import json
import sys

from aiocoap import Message
from aiocoap.error import UnparsableMessage
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.optiontypes import OpaqueOption
from aiocoap.transports.tcp import _decode_message, _extract_message_size

MOST = int(sys.argv[1])

# Values as they were sent: what an option means is another question.
OptionNumber.create_option = lambda self, decode=None, value=None: OpaqueOption(self, decode)


def shown(message, body):
    """What a message says; None for what aiocoap takes and RFC 7252 §3 does not."""
    options = list(message.opt.option_list())
    if any(int(option.number) > 65535 for option in options):
        return None
    # There is one way to write options: if the octets differ, a payload was announced that is not there.
    written = message.opt.encode() + (b"\xff" + message.payload if message.payload else b"")
    if written != body:
        return None
    return {
        "code": int(message.code),
        "token": message.token.hex(),
        "options": [[int(option.number), option.encode().hex()] for option in options],
        "payload": message.payload.hex(),
    }


def datagram(data):
    if len(data) < 4 or data[0] >> 6 != 1:
        return None
    length = data[0] & 15
    if length > 8 or len(data) < 4 + length or (data[1] == 0 and len(data) > 4):
        return None
    try:
        message = Message.decode(data)
    except (UnparsableMessage, ValueError):
        return None
    said = shown(message, data[4 + length :])
    return said and {"type": int(message.mtype), "id": message.mid, **said}


def stream(data):
    messages = []
    while data:
        if data[0] & 15 > 8:
            return messages, "bad"
        size = _extract_message_size(data)
        if size is None or len(data) < size[0]:
            return messages, "more"
        start, token, length = size
        if start + token + length > MOST:
            return messages, "bad"
        whole, rest = data[: start + token + length], data[start + token + length :]
        if len(whole) < start + token + length:
            return messages, "more"
        try:
            said = shown(_decode_message(whole), whole[start + token :])
        except (UnparsableMessage, ValueError):
            said = None
        if said is None:
            return messages, "bad"
        messages.append(said)
        data = rest
    return messages, "more"


for line in sys.stdin:
    kind, _, octets = line.strip().partition(" ")
    data = bytes.fromhex(octets)
    print(json.dumps(datagram(data) if kind == "u" else stream(data)))
