"""
aioice, a TURN client that nobody of this project wrote: two allocations send each other datagrams of many
sizes over channels; then one is refreshed, shortened and deleted.

    turn_aioice.py HOST PORT udp|tcp|tls USERNAME CREDENTIAL [CA]

Prints one line of JSON.
"""
import asyncio
import json
import os
import ssl
import sys

from aioice import stun, turn

SIZES = [1 + i * 12 for i in range(100)]  # bytes, to 1,189
DEADLINE = 10  # seconds, for each thing that is waited for


class Receiver(asyncio.DatagramProtocol):
    def __init__(self):
        self.got = []
        self.all = asyncio.get_event_loop().create_future()

    def datagram_received(self, data, addr):
        if len(data) == 0:
            return  # It came with the binding of the other's channel.
        self.got.append((bytes(data), addr))
        if len(self.got) == len(SIZES) and not self.all.done():
            self.all.set_result(None)


def client_of(transport):
    """The client within a transport of aioice, for the requests that the transport makes by itself only."""
    return transport._TurnTransport__inner_protocol


def message(method, attributes):
    request = stun.Message(message_method=method, message_class=stun.Class.REQUEST)
    request.attributes.update(attributes)
    return request


async def refresh(transport, lifetime):
    attributes = {"LIFETIME": lifetime}
    response, _ = await client_of(transport).request_with_retry(message(stun.Method.REFRESH, attributes))
    return response.attributes["LIFETIME"]


async def refresh_error(transport, lifetime):
    try:
        await refresh(transport, lifetime)
    except stun.TransactionFailed as error:
        return error.response.attributes["ERROR-CODE"][0]
    return None


async def main(host, port, way, username, password, ca=None):
    async def allocate():
        context = ssl.create_default_context(cafile=ca) if way == "tls" else False
        return await turn.create_turn_endpoint(
            Receiver,
            server_addr=(host, int(port)),
            username=username,
            password=password,
            ssl=context,
            transport="udp" if way == "udp" else "tcp",
        )

    (a, to_a), (b, to_b) = await allocate(), await allocate()
    at_a, at_b = a.get_extra_info("sockname"), b.get_extra_info("sockname")
    # Both channels first: what comes from a peer without a permission is dropped.
    binding = asyncio.gather(client_of(a).send_data(b"", at_b), client_of(b).send_data(b"", at_a))
    await asyncio.wait_for(binding, DEADLINE)
    payloads = [os.urandom(size) for size in SIZES]
    for payload in payloads:
        a.sendto(payload, at_b)
        b.sendto(payload[::-1], at_a)
        await asyncio.sleep(0.001)
    await asyncio.wait_for(asyncio.gather(to_a.all, to_b.all), DEADLINE)
    result = {
        "relayed": [at_a, at_b],
        "there": to_b.got == [(payload, at_a) for payload in payloads],
        "back": to_a.got == [(payload[::-1], at_b) for payload in payloads],
        "refreshed": await refresh(a, 1200),
        "shortened": await refresh(a, 600),
    }
    result["deleted"] = await refresh(a, 0)
    result["after"] = await refresh_error(a, 600)
    for transport in (a, b):
        await client_of(transport).delete()
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
