from tenon_auth.devices.models import Device
from tenon_auth.limits import LOG_IN_LINKS
from tenon_auth.links.models import Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.sessions.models import AuthMethod, LogIn, SecondStep
from tenon_auth.sessions.service import SessionService
from tenon_auth.users.service import UserService
from tenon_core import clock
from tenon_core.email_addresses import parse_address
from tenon_db.database import Database
from tenon_db.mail_limits import MailCounters
from tenon_jobs import JobQueue
from tenon_policy.call import Call

REQUESTED = "log_in_links.requested"


class LogInLinkService:
    """Log-ins by a mailed link. They need no password, so no limit on passwords stops them."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        users: UserService,
        links: LinkService,
        sessions: SessionService,
    ) -> None:
        self._database = database
        self._queue = queue
        self._users = users
        self._links = links
        self._sessions = sessions

    async def request(self, email: str) -> None:
        """Have a link mailed to whoever has the address; InvalidEmail.

        A job looks that up, so the reply is the same, and takes as long, for every address. Above
        the limit the link is mailed later, and answers all requests until then.
        """
        terms = await self._users.terms(parse_address(email).display)
        payload = {"terms": [term.digest.hex() for term in terms]}
        async with self._database.system("log in link") as tx:
            counters = MailCounters(tx, self._database.schema)
            delay = await counters.reserve(LOG_IN_LINKS, terms[0].digest, waiting=1)
            if delay is not None:
                await self._queue.enqueue(tx, REQUESTED, payload, run_at=clock.now() + delay)

    async def log_in(self, call: Call, token: str, device: Device) -> LogIn | SecondStep:
        """Log in by a link; LinkSpent."""
        link = await self._links.read(token, Purpose.LOG_IN)
        async with self._database.user(link.owner_id) as tx:
            await self._links.use(tx, link, Purpose.LOG_IN)
            user = await self._users.get_within(tx, link.owner_id)
            return await self._sessions.begin(tx, call, user, device, [AuthMethod.LINK])
