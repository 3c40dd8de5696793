"""Prints the DRBD minors of a node: drbd.py NODE. Run it on a node of the cluster, as root."""

import os
import sys
from pathlib import Path

from gntconfd import Client, ConfdError, questions

STATE = Path(os.environ.get("GANETI_ROOTDIR", "/")) / "var/lib/ganeti"

if len(sys.argv) != 2:
    sys.exit(__doc__)
client = Client(
    (STATE / "ssconf_master_candidates_ips").read_text().split(),
    (STATE / "hmac.key").read_bytes(),
)
try:
    minors = client.ask(questions.node_drbd(sys.argv[1])).value
except ConfdError as err:
    sys.exit(f"drbd.py: {err}")
for minor in minors:
    print(f"{minor.minor:5} {minor.instance:30} {minor.disk:8} {minor.role:10} {minor.peer}")
