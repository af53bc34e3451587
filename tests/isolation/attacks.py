"""Attacks: requests in which some ids are another organization's, and their harmless twins."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from uuid import UUID

from google.protobuf.message import Message

from tenon_core.errors import TenonError
from tenon_rpc.paging import DIGEST_CHARS
from tests.isolation.contract import Path, Rpc, names_something, put, texts
from tests.isolation.doors import Door, Reply
from tests.isolation.samples import ONCE, ids_of, kind_of, request_of, samples
from tests.isolation.worlds import World

Variant = Callable[[str], str]

VARIANTS: Mapping[str, Variant] = {
    "as it is": lambda text: text,
    "in capitals": lambda text: text.upper(),
    "in braces": lambda text: f"{{{text}}}",
    "as a URN": lambda text: f"urn:uuid:{text}",
    "without hyphens": lambda text: text.replace("-", ""),
    "after a blank": lambda text: f" {text}",
    "before a line feed": lambda text: f"{text}\n",
    "as a path": lambda text: f"x/../{text}",
    "as almost nothing": lambda text: f"00000000-0000-0000-0000-00000000000{text[-1]}",
}
OTHER_FORMS = [form for form in VARIANTS if form != "as it is"]
STREAM_TRIES = 3
BAIT = "bait"
"""What other texts than ids are given: something that an attacker may well find again, stored."""


@dataclass(frozen=True)
class Attack:
    """Which texts of which sample are the victim's, and in what form."""

    rpc: Rpc
    sample: int
    foreign: Mapping[Path, str]

    def __str__(self) -> str:
        named = ", ".join(f"{'.'.join(path)} {form}" for path, form in self.foreign.items())
        return f"{self.rpc.name} sample {self.sample}: {named}"

    def takes_own_organization(self) -> bool:
        return ("org_id",) not in self.foreign


def each_field_once(rpc: Rpc, chance: Random) -> Iterator[Attack]:
    """Yield an attack for all ids of an RPC at once, for each alone, as it is and in some other
    form, and for each of its other texts.
    """
    for number, sample in enumerate(samples(rpc)):
        ids = ids_of(rpc, sample)
        if len(ids) > 1:
            yield Attack(rpc, number, dict.fromkeys(ids, "as it is"))
        for path in ids:
            for form in ("as it is", chance.choice(OTHER_FORMS)):
                yield Attack(rpc, number, {path: form})
    for path in texts(rpc.method.input_type):
        if not names_something(path) and rpc.name not in ONCE:
            yield Attack(rpc, 0, {path: "as it is"})


def at_random(rpcs: list[Rpc], chance: Random) -> Iterator[Attack]:
    """Yield attacks on ids without end: any RPC, any of its ids, own and foreign ones mixed."""
    choices = [
        (rpc, number, ids)
        for rpc in rpcs
        for number, sample in enumerate(samples(rpc))
        if (ids := ids_of(rpc, sample))
    ]
    while True:
        rpc, number, ids = chance.choice(choices)
        count = chance.randint(1, len(ids))
        forms = {
            path: chance.choice(["as it is", *OTHER_FORMS]) for path in chance.sample(ids, count)
        }
        yield Attack(rpc, number, forms)


@dataclass(frozen=True)
class Outcome:
    """What an attack got, beside what its twin got that names what nobody ever made."""

    attack: str
    foreign: Reply
    unknown: Reply
    leaked: frozenset[str]

    @property
    def is_leak(self) -> bool:
        return self.foreign != self.unknown or bool(self.leaked)


async def carry_out(door: Door, token: str, attack: Attack, own: World, victim: World) -> Outcome:
    """Send the attack and its twin, one after the other."""
    base = own.names | ({} if attack.takes_own_organization() else victim.names)
    told, sent = [], []
    for stranger in (victim.names, {kind: twin(name) for kind, name in victim.names.items()}):
        message, values = _armed(attack, base, stranger)
        reply = await _answer(door, token, message)
        told.append(reply.masked(values))
        sent.append((reply, values))
    reply, values = sent[0]
    leaked = {mark for mark in victim.marks() if mark in reply.text and mark not in values}
    return Outcome(f"{door.name} | {attack}", told[0], told[1], frozenset(leaked))


async def _answer(door: Door, token: str, message: Message) -> Reply:
    """Return the reply. In one of a hundred streams that are refused while they are sent, gRPC's
    own client tells of that alone, and of no reply; these are sent again.
    """
    reply = await door.send(token, message)
    for _ in range(STREAM_TRIES):
        if not (door.rpc.method.client_streaming and reply.reason == TenonError.reason):
            break
        reply = await door.send(token, message)
    return reply


def _armed(
    attack: Attack, base: Mapping[str, str], stranger: Mapping[str, str]
) -> tuple[Message, list[str]]:
    """Return the request, and the strange texts in it as they are and as they were sent."""
    own = {kind: name for kind, name in base.items() if not kind.startswith("page of")}
    message = request_of(attack.rpc, attack.sample, own)
    values = []
    for path, form in attack.foreign.items():
        kind = kind_of(attack.rpc, path) if names_something(path) else BAIT
        plain = stranger[kind]
        text = VARIANTS[form](plain)
        put(message, path, text)
        values += [text, plain, json.dumps(text)[1:-1], repr(text)[1:-1]]
    return message, values


def twin(name: str) -> str:
    """Return the neighbour of an id, or of a page token's sort key, that nobody ever made."""
    try:
        return str(UUID(int=UUID(name).int ^ 1))
    except ValueError:
        digest, position = name[:DIGEST_CHARS], name[DIGEST_CHARS:]
        return digest + _token([_neighbour(value) for value in _values(position)])


def _neighbour(value: object) -> object:
    try:
        return twin(value) if isinstance(value, str) and UUID(value) else value
    except ValueError:
        return value


def _values(token: str) -> list[object]:
    found: list[object] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return found


def _token(values: list[object]) -> str:
    text = json.dumps(values, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
