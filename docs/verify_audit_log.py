"""Check an exported audit log: python verify_audit_log.py LOG.jsonl CHECKPOINTS.jsonl KEYS.json

Needs `pip install cryptography`. Exits with 1 if a line up to the last checkpoint is not as it was.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNED = ["owner", "position", "previous", "hash", "time_us", "key_id"]
CHAINED = "owner position id action actor resource session_id request_id count time_us".split()  # noqa: SIM905 # fits one line
CONTEXT, CLIENT = ["client_digest", "changes"], ["client_salt", "ip_address", "user_agent"]


def canonical(form, said, names):
    values = [form, *(said.get(name) for name in names)]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


log, checkpoints, key_set = map(Path, sys.argv[1:])
raw = {key["kid"]: key["x"] + "=" for key in json.loads(key_set.read_text())["keys"]}
keys = {kid: Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(raw[kid])) for kid in raw}
signed = {}  # what the checkpoints say: the hash at a place of an owner's log
for said in map(json.loads, checkpoints.open(encoding="utf-8")):
    message = canonical("tenon-checkpoint-1", said, SIGNED)
    try:
        keys[said["key_id"]].verify(bytes.fromhex(said["signature"]), message)
    except (InvalidSignature, KeyError, TypeError, ValueError):
        sys.exit(f"line {said.get('position')}: forged checkpoint")
    signed[said["owner"], said["position"]] = said["hash"]
owner, last, covered, before = None, 0, 0, "00" * 32
for said in map(json.loads, log.open(encoding="utf-8")):
    if owner is None:  # it begins with line 1, or else after a checkpoint
        owner, start = said["owner"], said["position"] - 1
        if (owner, start) in signed:
            last, covered, before = start, start, signed[owner, start]
            print(f"begins after line {last}, where there is a checkpoint")
    last += 1
    if said["position"] != last:
        sys.exit(f"line {last}: missing, or not in its place")
    is_old = all(said.get(name) is None for name in CONTEXT)
    form, names = ("tenon-audit-1", CHAINED) if is_old else ("tenon-audit-2", CHAINED + CONTEXT)
    before = hashlib.sha256(bytes.fromhex(before) + canonical(form, said, names)).hexdigest()
    client = hashlib.sha256(canonical(said.get(CLIENT[0]), said, CLIENT[1:])).hexdigest()
    shown = any(said.get(name) is not None for name in CLIENT) and client != said["client_digest"]
    expected = {*CHAINED, "hash"}, before, owner
    if shown or (said.keys() - {*CONTEXT, *CLIENT}, said["hash"], said["owner"]) != expected:
        sys.exit(f"line {last}: altered")
    if signed.get((owner, last), before) != before:
        sys.exit(f"line {last}: rewritten, says its checkpoint")
    covered = last if (owner, last) in signed else covered
if cut := [position for name, position in signed if name != owner or position > last]:
    sys.exit(f"line {min(cut)}: cut off, says its checkpoint")
print(f"whole up to line {last}: covered up to {covered}, {last - covered} lines not yet")
