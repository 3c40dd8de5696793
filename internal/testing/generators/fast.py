"""Compiles the schemas with fastjsonschema, and validates: fast.py SPEC CONFIG"""

import json
import sys
from pathlib import Path

import fastjsonschema

spec, config = map(Path, sys.argv[1:])


def load(path):
    return json.loads(path.read_text())


def resolve(uri):
    return load(spec / uri)


def compiled(schema):
    formats = {name: ".*" for name in load(spec / "keywords.json")["formats"]}
    return fastjsonschema.compile(schema, handlers={"": resolve}, formats=formats)


reply = {"protocol": 1, "status": 0, "answer": None, "serial": 7}
for file, value, broken in (
    ("config.json", load(config), {"version": "3"}),
    ("constants.schema.json", load(spec / "constants.json"), {"groups": 0}),
    ("wire.json", {"reply": reply}, {"reply": {}}),
    ("answers.json", {"6": {"ok": ["192.0.2.1"]}}, {"6": {"ok": ["192.0.2.1", "192.0.2.1"]}}),
    ("classic.json", None, None),
):
    validate = compiled(load(spec / file))
    if value is None:
        continue
    validate(value)
    try:
        validate({**value, **broken})
    except fastjsonschema.JsonSchemaValueException:
        continue
    sys.exit(f"{file}: {broken} is taken for valid")
