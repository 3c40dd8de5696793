"""Says where the readers differ from a judge: of each line of the standard input, an object with
ref, value and valid, whether the value meets the schema at ref."""

import json
import sys

from gntconfd.protocol import answers, check, config, wire  # which register what read makes

assert answers and config and wire

count, different = 0, []
for line in sys.stdin:
    case = json.loads(line)
    count += 1
    reason = ""
    try:
        check.read(case["ref"], case["value"])
    except check.InvalidError as err:
        reason = str(err)
    if bool(reason) == case["valid"]:
        different.append(f"{line.strip()} {reason}")
print(count, "read")
if different:
    print("\n".join(different))
