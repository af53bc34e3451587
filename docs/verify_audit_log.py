"""Check an exported audit log: python verify_audit_log.py LOG.jsonl CHECKPOINTS.jsonl KEYS.json

Needs `pip install cryptography`, and nothing of Tenon. Exits with 1 if a line was edited, deleted,
inserted, moved or cut off, up to the last checkpoint, and says how many lines none covers.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNED = ["owner", "position", "previous", "hash", "time_us", "key_id"]
CHAINED = ["owner", "position", "id", "action", "actor", "resource", "session_id", "request_id"]
CHAINED += ["count", "time_us"]


def canonical(form, said, names):
    values = [form, *(said.get(name) for name in names)]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


log, checkpoints, key_set = map(Path, sys.argv[1:])
raw = {key["kid"]: key["x"] + "=" for key in json.loads(key_set.read_text())["keys"]}
keys = {kid: Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(raw[kid])) for kid in raw}
signed = {}  # what the checkpoints say: the hash at a place of an owner's log
for line in checkpoints.open(encoding="utf-8"):
    said = json.loads(line)
    message = canonical("tenon-checkpoint-1", said, SIGNED)
    try:
        keys[said["key_id"]].verify(bytes.fromhex(said["signature"]), message)
    except (InvalidSignature, KeyError, TypeError, ValueError):
        sys.exit(f"line {said.get('position')}: forged checkpoint")
    signed[said["owner"], said["position"]] = said["hash"]
owner, last, covered, before = None, 0, 0, "00" * 32
for line in log.open(encoding="utf-8"):
    said = json.loads(line)
    if owner is None:  # it begins with line 1, or else after a checkpoint
        owner, start = said["owner"], (said["owner"], said["position"] - 1)
        if start in signed:
            last, covered, before = start[1], start[1], signed[start]
            print(f"begins after line {last}, where there is a checkpoint")
    last += 1
    if said["position"] != last:
        sys.exit(f"line {last}: missing, or not in its place")
    chained = bytes.fromhex(before) + canonical("tenon-audit-1", said, CHAINED)
    before = hashlib.sha256(chained).hexdigest()
    if said.keys() != {*CHAINED, "hash"} or said["hash"] != before or said["owner"] != owner:
        sys.exit(f"line {last}: altered")
    if signed.get((owner, last), before) != before:
        sys.exit(f"line {last}: rewritten, says its checkpoint")
    covered = last if (owner, last) in signed else covered
if cut := [position for name, position in signed if name != owner or position > last]:
    sys.exit(f"line {min(cut)}: cut off, says its checkpoint")
print(f"whole up to line {last}: covered up to {covered}, {last - covered} lines not yet")
