"""One request as the services see it: who asks, in which organization, by what right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from tenon.events.v1.events_pb2 import AccessRecorded
from tenon_core import clock
from tenon_core.errors import NotFound, Unauthenticated, UserRequired
from tenon_core.events import Event
from tenon_policy.api_keys import KeyScope
from tenon_policy.audit_clients import NO_CLIENT, AuditKey, Client, SealedClient, seal
from tenon_policy.changes import changes_between
from tenon_policy.policies import MethodPolicy, Role


@dataclass(slots=True)
class Call:
    """A request that was let in. `peer` is the process that sent it, by its certificate.

    With an API key there is no user, and `session_id` is that of the key's secret. `methods` are
    how the user logged in; `client` is empty unless the gateway says who calls. It is sealed for
    `audit_key`, the acting person's. `account_id` is the account whose share of each resource is
    used: the organization's, or the user's outside any.
    """

    request_id: str
    policy: MethodPolicy
    peer: str
    user_id: UUID | None = None
    session_id: UUID | None = None
    org_id: UUID | None = None
    role: Role = Role.NONE
    auth_time: float = 0.0
    methods: frozenset[str] = frozenset()
    client: Client = NO_CLIENT
    audit_key: AuditKey | None = None
    key: KeyScope | None = None
    account_id: UUID | None = None
    audited: bool = field(default=False, init=False)
    is_recorded: bool = field(default=False, init=False)
    compared: frozenset[str] | None = field(default=None, init=False)
    """The fields whose values before and after are in the audit record of an update."""

    @property
    def user(self) -> UUID:
        """The caller's user id; UserRequired of an API key, Unauthenticated if a service called
        for itself.
        """
        if self.key is not None:
            raise UserRequired
        if self.user_id is None:
            raise Unauthenticated
        return self.user_id

    @property
    def session(self) -> UUID:
        """The caller's session id; Unauthenticated if a service called for itself."""
        if self.session_id is None:
            raise Unauthenticated
        return self.session_id

    @property
    def address(self) -> str:
        """The client's IP address; empty unless the gateway says it."""
        return self.client.ip_address

    @property
    def sealed_client(self) -> SealedClient:
        """Where the call came from, for its audit record; empty if there is no such person."""
        if self.audit_key is None or self.client == NO_CLIENT:
            return SealedClient()
        return seal(self.audit_key, self.client)

    @property
    def org(self) -> UUID:
        """The organization of the request; NotFound outside any."""
        if self.org_id is None:
            raise NotFound
        return self.org_id

    def had_no_effect(self) -> None:
        """Say that this write changed nothing, so that there is nothing to record."""
        self.audited = True

    @property
    def actor(self) -> str:
        if self.key is not None:
            return f"api-keys/{self.key.key_id}"
        return f"users/{self.user_id}" if self.user_id else f"services/{self.peer}"

    def access(
        self,
        resource: str,
        *,
        org_id: UUID | None = None,
        user_id: UUID | None = None,
        actor: str = "",
        count: int = 1,
        at: datetime | None = None,
        changes: str = "",
    ) -> Event:
        """Return the audit record of this call, to be published with what it did.

        `org_id` and `user_id` are given where the call makes or finds the organization or the
        user, `actor` where it finds who acts; `count` and `at` where the record stands for several
        equal reads of an earlier time; `changes` are those of `update`.
        """
        assert self.user_id or not user_id or self.audit_key or self.client == NO_CLIENT, (
            "whoever finds out who calls sets the audit key"
        )
        self.audited = self.is_recorded = True
        client = self.sealed_client
        moment = Timestamp()
        moment.FromDatetime(at or clock.now())
        record = AccessRecorded(
            action=self.policy.audit or "",
            actor=actor or (f"users/{user_id}" if user_id else self.actor),
            session_id=str(self.session_id or ""),
            resource=resource,
            request_id=self.request_id,
            count=count,
            access_time=moment,
            client=client.value,
            client_digest=client.digest,
            changes=changes,
        )
        return Event.of(record, org_id=org_id or self.org_id, user_id=user_id or self.user_id)

    def update(
        self, resource: str, before: Mapping[str, object], after: Mapping[str, object]
    ) -> Event:
        """Return the audit record of an update, with what differs of the request's fields: their
        values before and after, of sensitive ones only that they changed.
        """
        self.compared = frozenset(after)
        changes = changes_between(before, after, self.policy.sensitive)
        return self.access(resource, changes=changes)
