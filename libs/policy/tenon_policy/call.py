"""One request as the services see it: who asks, in which organization, by what right."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from tenon.events.v1.events_pb2 import AccessRecorded
from tenon_core import clock
from tenon_core.errors import NotFound, Unauthenticated, UserRequired
from tenon_core.events import Event
from tenon_policy.api_keys import KeyScope
from tenon_policy.policies import MethodPolicy, Role


@dataclass(slots=True)
class Call:
    """A request that was let in. `peer` is the process that sent it, by its certificate.

    With an API key there is no user, and `session_id` is that of the key's secret. `methods` are
    how the user logged in; `address` is the client's, empty unless the gateway told it.
    `account_id` is the account whose share of each resource is used: the organization's, or the
    user's outside any.
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
    address: str = ""
    key: KeyScope | None = None
    account_id: UUID | None = None
    audited: bool = field(default=False, init=False)

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
    ) -> Event:
        """Return the audit record of this call, to be published with what it did.

        `org_id` and `user_id` are given where the call makes or finds the organization or the
        user, `actor` where it finds who acts; `count` and `at` where the record stands for several
        equal reads of an earlier time.
        """
        self.audited = True
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
        )
        return Event.of(record, org_id=org_id or self.org_id, user_id=user_id or self.user_id)
