import pytest

from tenon_core.ids import uuid7
from tenon_gateway.pipeline.limits import (
    Clients,
    Limit,
    LocalCounters,
    Rule,
    Rules,
    limit_headers,
    site,
)
from tenon_gateway.settings import RATE_CLASSES, Rate, RateClass
from tenon_policy.api_keys import KeyScope
from tenon_policy.grants import MemberKey, SessionKey
from tenon_policy.policies import Role

RULE = Rule.of("read-user", Rate(count=60, seconds=60))


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_counts_an_ipv6_site_as_one(address: str, counted: str) -> None:
    assert site(address) == counted


def test_a_client_is_counted_under_a_name_that_is_no_address() -> None:
    clients, others = Clients(b"key"), Clients(b"another key")
    name = clients.name("192.0.2.7")
    assert name == clients.name("::ffff:192.0.2.7")
    assert len({name, clients.name("192.0.2.8"), others.name("192.0.2.7")}) == 3
    assert Rules.of("read", RATE_CLASSES["read"]).for_client(name)[0].key == f"limit:read-ip:{name}"


def test_headers_name_every_rule_with_what_is_left() -> None:
    other = Rule.of("read-org", Rate(count=10, seconds=10))
    backlogs = [(Limit(RULE, "a"), 1_500_000), (Limit(other, "b"), other.capacity_us)]
    assert limit_headers(backlogs) == [
        (b"ratelimit-policy", b'"read-user";q=60;w=60, "read-org";q=10;w=10'),
        (b"ratelimit", b'"read-user";r=58;t=2, "read-org";r=0;t=10'),
    ]


def test_no_headers_without_limits() -> None:
    assert limit_headers([]) == []


def test_a_member_counts_for_user_and_organization() -> None:
    rules = Rules.of("read", RATE_CLASSES["read"])
    member = MemberKey(uuid7(), uuid7())
    limits = rules.for_user(member.user_id, member)
    assert [limit.rule.name for limit in limits] == ["read-user", "read-org"]
    assert [limit.grant for limit in limits] == [None, member]


def test_an_api_key_counts_for_itself_and_its_organization_while_it_is_good() -> None:
    rules = Rules.of("read", RATE_CLASSES["read"])
    key, secret = KeyScope(uuid7(), uuid7(), Role.MEMBER, frozenset()), SessionKey(uuid7())
    limits = rules.for_key(key, secret)
    names = [f"limit:read-user:{key.key_id}", f"limit:read-org:{key.org_id}"]
    assert [limit.key for limit in limits] == names
    assert [limit.grant for limit in limits] == [None, secret]


def test_a_class_without_user_numbers_leaves_users_alone() -> None:
    assert Rules.of("login", RateClass(ip=Rate(count=1))).for_user(uuid7(), None) == []


def test_local_counters_let_exactly_the_count_in() -> None:
    counters = LocalCounters()
    rule = Rule.of("login-ip", Rate(count=5, seconds=3_600))
    waits = [counters.charge(rule, "somebody") for _ in range(8)]
    assert [wait == 0 for wait in waits] == [True] * 5 + [False] * 3
    assert counters.charge(rule, "somebody else") == 0
