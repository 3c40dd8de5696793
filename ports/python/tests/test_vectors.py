"""Holds this package against the vectors of the specification."""

import base64
import json
import math
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gntconfd import AnswerError, DatagramError, TooLargeError, questions
from gntconfd.datagram import seal, sign, unseal, unseal_reply, verify
from gntconfd.protocol import canonical, check, rules
from gntconfd.protocol.constants import MAX_DATAGRAM_SIZE, RequestType
from gntconfd.protocol.tables import ANSWERS, CLASSIC_ANSWERS

VECTORS = Path(__file__).resolve().parents[3] / "spec" / "vectors"


def load(path: Path) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads(path.read_text())["vectors"]
    return vectors


class Signing(unittest.TestCase):
    def test_vectors(self) -> None:
        for vector in load(VECTORS / "signing.json"):
            with self.subTest(vector["id"]):
                key, datagram = base64.b64decode(vector["key"]), base64.b64decode(vector["datagram"])
                valid = vector["result"] == "valid"
                self.assertEqual(verify(key, vector["salt"], vector["msg"], vector["hmac"]), valid)
                if not valid:
                    self.assertRaises(DatagramError, unseal, key, datagram)
                    continue
                self.assertEqual(sign(key, vector["salt"], vector["msg"]), vector["hmac"].lower())
                for sealed in datagram, seal(key, vector["salt"], vector["msg"]):
                    envelope = unseal(key, sealed)
                    self.assertEqual((envelope["salt"], envelope["msg"]), (vector["salt"], vector["msg"]))


class Replies(unittest.TestCase):
    def test_vectors(self) -> None:
        key, count = (VECTORS / "hmac.key").read_bytes(), 0
        for path in sorted((VECTORS / "3.0").glob("*.json")):
            for vector in load(path):
                if "reply" not in vector:
                    continue
                with self.subTest(vector["id"]):
                    reply = dict(vector["reply"])
                    salt = reply.pop("salt")
                    if reply["answer"] in (math.inf, -math.inf):
                        continue  # a number larger than any double, which json cannot write again
                    got = unseal_reply(key, seal(key, salt, json.dumps(reply)), salt)
                    self.assertEqual((got.status, got.answer, got.serial), (reply["status"], reply["answer"], reply["serial"]))
                    if vector.get("deviation") == "lenient-config":
                        continue  # Ganeti does not load these configurations; the schemas say what it writes
                    outcome = "error" if got.status else "ok"
                    name = ANSWERS[int(request(vector)["type"])]
                    self.assertEqual(plain(check.read(f"answers.json#/definitions/{name}/properties/{outcome}", got.answer)), got.answer)
                    count += 1
        self.assertGreater(count, 1000)

    def test_classic_vectors(self) -> None:
        count = 0
        for path in sorted((VECTORS / "2.6").glob("*.json")):
            for vector in load(path):
                if "reply" not in vector or vector["reply"]["status"] == 2:
                    continue
                with self.subTest(vector["id"]):
                    name = CLASSIC_ANSWERS[int(request(vector)["type"])]
                    outcome = "error" if vector["reply"]["status"] else "ok"
                    answer = vector["reply"].get("answer")
                    self.assertEqual(plain(check.read(f"classic-answers.json#/definitions/{name}/properties/{outcome}", answer)), answer)
                    count += 1
        self.assertGreater(count, 200)

    def test_outcomes(self) -> None:
        count = 0
        for path in sorted((VECTORS / "3.0").glob("*.json")):
            for vector in load(path):
                if "reply" not in vector or vector["config"] not in ("rich", "small", "odd"):
                    continue
                asked = request(vector)
                kind = {type(None): "none", str: "text"}.get(type(asked.get("query")), "object")
                outcome = rules.REQUESTS["requests"][int(asked["type"])]["3.0"]["queries"][kind]["outcome"]
                with self.subTest(vector["id"]):
                    self.assertTrue(outcome == "answer" or vector["reply"]["status"] == 1)
                    count += outcome != "answer"
        self.assertGreater(count, 40)

    def test_conversions(self) -> None:
        for form in json.loads((VECTORS.parent / "conversions.json").read_text())["forms"]:
            for example in form["examples"]:
                with self.subTest(form["form"], input=example["input"]):
                    self.assertEqual(canonical.convert(form["form"], example["input"]), example.get("output"))

    def test_error_texts(self) -> None:
        count = 0
        for vector in load(VECTORS / "3.0" / "error-texts.json") + load(VECTORS / "3.0" / "names.json"):
            asked, answer = request(vector), vector.get("reply", {}).get("answer")
            if vector["outcome"] != "answered_error" or not isinstance(answer, str):
                continue
            with self.subTest(vector["id"]):
                self.assertIn(answer, list(error_texts(asked.get("query"))))
                count += 1
        self.assertGreater(count, 40)

    def test_every_type_has_an_answer(self) -> None:
        self.assertEqual(list(range(len(ANSWERS))), [type.value for type in RequestType])

    def test_too_large(self) -> None:
        self.assertEqual(len(seal(b"k", "", "x" * 61361)), MAX_DATAGRAM_SIZE)
        self.assertRaises(TooLargeError, seal, b"k", "", "x" * 61362)
        self.assertRaises(DatagramError, unseal, b"k", b"plj0" + b" " * MAX_DATAGRAM_SIZE)

    def test_invalid(self) -> None:
        cases: list[tuple[questions.Question[Any], Any]] = [
            (questions.ping(), "ok"),
            (questions.ping(), True),
            (questions.ping(), 2**63),
            (questions.node_role("x"), 5),
            (questions.node_ip("192.0.2.1"), []),
            (questions.locate(["192.0.2.1"]), "192.0.2.1"),
            (questions.locate(["192.0.2.1"]), [[0, "192.0.2.1"]]),
            (questions.instance_ips(), ["a", "a"]),
            (questions.node_drbd("x"), [["a", 0, "b", "disk/0", "tertiary", "c"]]),
            (questions.instance_disks("x"), [{"uuid": "u", "serial_no": 1}]),
            (questions.collectors(), {}),
        ]
        for question, answer in cases:
            with self.subTest(type=question.type, answer=answer):
                self.assertRaises(AnswerError, question.decode, answer)


def error_texts(query: Any) -> Iterator[str]:
    """Yield the error texts that a query may get while there is a configuration."""
    yield rules.TEXT_EMPTY_QUERY
    yield rules.TEXT_LINK_QUERY
    if isinstance(query, dict):
        ips, fields = query.get("2") or [], query.get("3") or []
        yield rules.text_object_query(query.get("1"), ips, query.get("0"), [int(field) for field in fields])
    if isinstance(query, str):
        for node in rules.text_node_not_found(query), rules.text_node_ambiguous(query):
            yield rules.text_failure(node)
            yield rules.text_prerequisite(node)
            yield rules.text_no_node(rules.text_prerequisite(node))
        for instance in rules.text_instance_not_found(query), rules.text_instance_ambiguous(query):
            yield rules.text_no_instance(rules.text_prerequisite(instance))


def request(vector: dict[str, Any]) -> dict[str, Any]:
    """Return the request of a vector, in whichever form it has it."""
    found = vector.get("request") or vector.get("request_text") or vector["datagram"]["inner"]
    made: dict[str, Any] = json.loads(found) if isinstance(found, str) else found
    return made


def plain(value: Any) -> Any:
    """Return what JSON makes of a value: of a tuple a list."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    unittest.main()
