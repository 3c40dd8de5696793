"""Asks a daemon with the sample cluster every question, and prints each with its answer.

Usage: live.py SERVER KEYFILE
"""

import asyncio
import json
import sys
from typing import Any

from gntconfd import AsyncClient, Client, Question, StatusError, questions
from gntconfd.protocol.constants import MasterFieldCode

server, key_file = sys.argv[1:]
with open(key_file, "rb") as file:
    key = file.read()

QUESTIONS: list[Question[Any]] = [
    questions.ping(),
    questions.node_role("node1.example.org"),
    questions.node_role("nobody"),
    questions.node_ip("203.0.113.10"),
    questions.node_ip("198.51.100.5", link="br1"),
    questions.node_ip("203.0.113.99"),
    questions.locate(["203.0.113.10", "2001:db8:1::25", "203.0.113.99"], link="br0"),
    questions.master(),
    questions.master_fields(MasterFieldCode.MASTER_NODE_PIP, MasterFieldCode.NAME, MasterFieldCode.IP),
    questions.node_ips(),
    questions.candidate_ips(),
    questions.instance_ips(),
    questions.instance_ips("br1"),
    questions.node_drbd("node3"),
    questions.node_instances("node2.example.org"),
    questions.instance_disks("www1.example.org"),
    questions.config_value("/cluster"),
    questions.config_value("/nowhere"),
    questions.collectors(),
]


async def ask_all() -> None:
    blocking, asynchronous = Client([server], key), AsyncClient([server], key)
    for i, question in enumerate(QUESTIONS):
        try:
            if i % 2:
                answer = await asynchronous.ask(question)
            else:
                answer = blocking.ask(question)
            said = {"status": 0, "answer": answer.value, "serial": answer.serial}
        except StatusError as err:
            said = {"status": err.status, "answer": err.answer, "serial": err.serial}
        print(json.dumps({"type": question.type, "query": question.query, **said}))


asyncio.run(ask_all())
