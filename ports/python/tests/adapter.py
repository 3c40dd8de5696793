"""Lets the conformance suite test this client, as spec/vectors/clients/README.md says.

With the argument asyncio it tests AsyncClient.
"""

import asyncio
import json
import sys
from typing import Any

from gntconfd import AsyncClient, Client, NoReplyError, StatusError, TooLargeError
from gntconfd.questions import raw
from gntconfd.protocol.constants import RequestType


def ask(order: dict[str, Any]) -> dict[str, Any]:
    question = raw(RequestType(order["type"]), order["query"])
    key, timeout = order["key"].encode(), order["timeout_ms"] / 1000
    arguments = {"servers": order["servers"], "key": key, "coverage": order["coverage"]}
    try:
        if sys.argv[1:] == ["asyncio"]:
            answer = asyncio.run(AsyncClient(**arguments).ask(question, timeout))
        else:
            answer = Client(**arguments).ask(question, timeout)
        return {"status": 0, "answer": answer.value, "serial": answer.serial}
    except StatusError as err:
        return {"status": err.status, "answer": err.answer, "serial": err.serial}
    except NoReplyError:
        return {"error": "no-reply"}
    except TooLargeError:
        return {"error": "refused"}


print('{"features": ["coverage", "ipv6"]}', flush=True)
for line in sys.stdin:
    order = json.loads(line)
    print(json.dumps({"id": order["id"], **ask(order)}), flush=True)
