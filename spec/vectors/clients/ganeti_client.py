"""Lets the conformance suite test Ganeti's own Python client library.

It needs Ganeti's modules in PYTHONPATH. It asks what it is told on its standard
input, and reports on its standard output, as README.md says.
"""
import json
import sys
import time

from ganeti import errors
from ganeti.confd import client


class Asker:
    """A client of one set of servers, used as Ganeti's own tools use it."""

    def __init__(self, servers, key):
        hosts, ports = zip(*(server.rsplit(":", 1) for server in servers))
        self.hosts = [host.strip("[]") for host in hosts]
        self.results = client.StoreResultCallback()
        newest = client.ConfdFilterCallback(self.results)
        self.confd = client.ConfdClient(key, self.hosts, newest, port=int(ports[0]))

    def ask(self, order):
        """Returns what the library makes of one question."""
        request = client.ConfdClientRequest(type=order["type"], query=order["query"])
        try:
            self.confd.SendRequest(request, coverage=order["coverage"], async_=False)
        except errors.ConfdClientError as err:
            if "too big" in str(err):
                return {"error": "refused"}
            raise
        timeout = order["timeout_ms"] / 1000
        if order["coverage"] > 1:
            self.confd.WaitForReply(request.rsalt, timeout)
        else:
            end = time.monotonic() + timeout
            while not self.results.GetResponse(request.rsalt)[0] and time.monotonic() < end:
                self.confd.ReceiveReply(timeout=end - time.monotonic())
        found, upcall = self.results.GetResponse(request.rsalt)
        if not found:
            return {"error": "no-reply"}
        reply = upcall.server_reply
        return {"status": reply.status, "answer": reply.answer, "serial": reply.serial}


def main():
    """Serves orders until the input ends."""
    print(json.dumps({"features": ["coverage", "ipv6"]}), flush=True)
    asker, now_for = None, None
    for line in sys.stdin:
        order = json.loads(line)
        servers_and_key = order["servers"], order["key"]
        if servers_and_key != now_for:
            asker, now_for = Asker(*servers_and_key), servers_and_key
        try:
            report = asker.ask(order)
        except Exception as err:  # pylint: disable=W0718
            report = {"error": "%s: %s" % (type(err).__name__, err)}
        print(json.dumps({"id": order["id"], **report}), flush=True)


main()
