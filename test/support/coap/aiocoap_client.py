"""A device on aiocoap: publishes, reads, observes. Prints what it gets, a line each."""

import asyncio
import sys

from aiocoap import Context, Message, Code, NON, CON

base, path, foreign, token = sys.argv[1:5]


def ask(code, where=path, **more):
    message = Message(code=code, uri=f"{base}/{where}", **more)
    message.opt.add_option(shown())
    return message


def shown():
    from aiocoap.numbers.optionnumbers import OptionNumber
    from aiocoap.optiontypes import OpaqueOption

    return OpaqueOption(OptionNumber(65001), token.encode())


async def main():
    context = await Context.create_client_context()
    answer = await context.request(ask(Code.PUT, payload=b"first", content_format=0)).response
    print("put", answer.code.dotted, flush=True)
    answer = await context.request(ask(Code.GET)).response
    print("get", answer.code.dotted, answer.payload.decode(), flush=True)
    answer = await context.request(ask(Code.GET, foreign)).response
    print("foreign", answer.code.dotted, flush=True)
    large = bytes(97 + at % 26 for at in range(5000))
    answer = await context.request(ask(Code.PUT, f"{path}/large", payload=large)).response
    print("large", answer.code.dotted, flush=True)
    answer = await context.request(ask(Code.GET, f"{path}/large")).response
    print("large", answer.code.dotted, answer.payload == large, flush=True)
    observing = context.request(ask(Code.GET, observe=0))
    answer = await observing.response
    print("observe", answer.code.dotted, answer.payload.decode(), flush=True)
    async for answer in observing.observation:
        print("told", answer.code.dotted, answer.payload.decode(), flush=True)
        if answer.payload == b"last":
            break
    observing.observation.cancel()
    print("done", flush=True)
    await context.shutdown()


asyncio.run(main())
