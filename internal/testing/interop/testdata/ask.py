"""Asks a confd daemon with Ganeti's own Python client.

Arguments: the daemon's port, the file with its key, and questions as a JSON list of
[type, query] pairs. Prints one line of JSON per question: the reply, or null.
"""
import json
import sys

from ganeti import constants
from ganeti.confd import client

port, key_file, questions = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
upcalls = []
with open(key_file) as key:
    confd = client.ConfdClient(key.read(), ["127.0.0.1"], upcalls.append, port=port)

for request_type, query in questions:
    request = client.ConfdClientRequest(type=request_type, query=query)
    del upcalls[:]
    confd.SendRequest(request, async_=False)
    confd.ReceiveReply(timeout=10)
    reply = None
    for upcall in upcalls:
        assert upcall.type == client.UPCALL_REPLY
        assert upcall.salt == request.rsalt
        assert upcall.server_reply.protocol == constants.CONFD_PROTOCOL_VERSION
        reply = [upcall.server_reply.status, upcall.server_reply.answer, upcall.server_reply.serial]
    print(json.dumps(reply, sort_keys=True))
