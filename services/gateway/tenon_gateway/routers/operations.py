"""Every hand-written route, for the API's description and ROUTES.md."""

from tenon_gateway.routers import auth, docs, files, health, mailbox, mfa, oidc, pages, uploads

OPERATIONS = (
    *auth.OPERATIONS,
    *mfa.OPERATIONS,
    *oidc.OPERATIONS,
    *uploads.OPERATIONS,
    *files.OPERATIONS,
    *mailbox.OPERATIONS,
    *docs.OPERATIONS,
    *pages.OPERATIONS,
    *health.OPERATIONS,
)
