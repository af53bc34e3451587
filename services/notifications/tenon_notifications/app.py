"""The only place where notifications is wired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tenon_db.cursors import Consumer
from tenon_jobs import CeleryDoorbell, JobQueue, Keep, Upkeep, Worker, run_worker
from tenon_notifications.api_key_clients import AuthApiKeys, TenancyOwners
from tenon_notifications.clients import AuthPeople, ReportsRuns, TenancyOrganizations
from tenon_notifications.emails.api_keys import ApiKeyNotices
from tenon_notifications.emails.postman import Postman, SmtpServer
from tenon_notifications.emails.rendering import Envelope, Renderer
from tenon_notifications.emails.service import EmailService
from tenon_notifications.emails.tasks import job_types
from tenon_notifications.emails.to_owners import OwnerMails
from tenon_notifications.limits import rates
from tenon_notifications.organization_data.service import OrganizationDataService
from tenon_notifications.organization_data.tasks import OrganizationDataTasks
from tenon_notifications.personal_data.service import PersonalDataService
from tenon_notifications.settings import NotificationsSettings
from tenon_notifications.subscriptions import subscriptions
from tenon_notifications.usage.service import UsageService
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.feed import PeerFeed
from tenon_rpc.methods import Registration
from tenon_rpc.personal_data import personal_data
from tenon_rpc.process import ServiceApp
from tenon_rpc.usage import usage

NAME = "notifications"


def servicers(backbone: Backbone[NotificationsSettings]) -> Sequence[Registration]:
    return [
        personal_data(PersonalDataService(backbone.database).export),
        usage(UsageService(backbone.database).measure),
    ]


@asynccontextmanager
async def worker(settings: NotificationsSettings) -> AsyncIterator[Worker]:
    async with open_backbone(NAME, settings) as backbone:
        queue = JobQueue(NAME, CeleryDoorbell(NAME, settings.redis_url.get_secret_value()))
        postman = Postman(SmtpServer.parse(settings.smtp_url.get_secret_value()))
        people = AuthPeople(backbone.channels["auth"])
        owners = TenancyOwners(backbone.channels["tenancy"])
        emails = EmailService(
            backbone.database,
            queue,
            people,
            ReportsRuns(backbone.channels["reports"]),
            TenancyOrganizations(backbone.channels["tenancy"]),
            ApiKeyNotices(AuthApiKeys(backbone.channels["auth"]), people, owners),
            Renderer(settings.public_url, settings.product_name),
            Envelope(settings.mail_from),
            postman,
            rates(settings),
        )
        owner_mails = OwnerMails(backbone.database, queue, emails, owners)
        organization_data = OrganizationDataService(backbone.database, queue, emails)
        consumers = [
            Consumer(backbone.database, PeerFeed(peer, backbone.channels[peer]), handlers)
            for peer, handlers in subscriptions(emails, owner_mails, organization_data).items()
        ]
        upkeep = Upkeep(backbone.database, queue, Keep.of(settings), counts_mails=True)
        yield Worker(
            backbone.database,
            queue,
            [
                *job_types(emails),
                *owner_mails.types(),
                *OrganizationDataTasks(organization_data).types(),
                *upkeep.types(),
            ],
            concurrency=settings.mail_concurrency,
            recurring=upkeep.recurring(),
            beside=[consumer.run for consumer in consumers],
        )
        postman.close()


APP = ServiceApp(
    name=NAME,
    settings=NotificationsSettings,
    migrations=Path(__file__).parents[1] / "migrations" / "versions",
    servicers=servicers,
    work=lambda settings: run_worker(NAME, settings, worker),
)
