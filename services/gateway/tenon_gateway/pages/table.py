"""The pages that mails and log-ins by a provider lead to, and the route that each form calls."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """An input; `autocomplete` is HTML's, `needed` is false for one that may stay empty."""

    name: str
    label: str
    kind: str = "text"
    autocomplete: str = "off"
    needed: bool = True


@dataclass(frozen=True)
class Page:
    """A page with one form. The part of the URL behind `#` goes to the route as `fragment`.

    `log_in` is for routes that need a session: the page offers a log-in if there is none.
    """

    path: str
    title: str
    text: str
    button: str
    route: str
    done: str
    fields: tuple[Field, ...] = ()
    fragment: str = "token"
    log_in: bool = False
    signs_up: bool = False


EMAIL = Field("email", "Email address", "email", "username")
PASSWORD = Field("password", "Password", "password", "current-password")
NEW_PASSWORD = Field("new_password", "New password", "password", "new-password")

FORMS = (
    Page(
        "/verify-email",
        "Verify your email address",
        "Confirm that this email address is yours.",
        "Verify the address",
        "/api/auth/email/verify",
        "Your email address is verified.",
        log_in=True,
    ),
    Page(
        "/confirm-sign-up",
        "Finish your sign-up",
        "Confirm that this email address is yours. If you signed up in another browser, choose a"
        " password here.",
        "Finish the sign-up",
        "/api/auth/signup/confirm",
        "Your account is ready, and you are logged in.",
        (
            Field(
                "password",
                "Password (only in another browser)",
                "password",
                "new-password",
                needed=False,
            ),
        ),
    ),
    Page(
        "/reset-password",
        "Choose a new password",
        "All your sessions end when you choose a new password.",
        "Set the password",
        "/api/auth/password/reset",
        "Your password is changed. Log in with the new one.",
        (NEW_PASSWORD,),
    ),
    Page(
        "/accept-invitation",
        "Accept the invitation",
        "Log in with the address that was invited, or create an account, to join the organization.",
        "Accept the invitation",
        "/api/invitations:accept",
        "You are a member of the organization.",
        log_in=True,
        signs_up=True,
    ),
    Page(
        "/change-email",
        "Confirm your new email address",
        "Log in with your current address to confirm the new one.",
        "Use this address",
        "/api/auth/email/change/confirm",
        "Your email address is changed.",
        log_in=True,
    ),
    Page(
        "/undo-email-change",
        "Undo the change of your email address",
        "Your account gets its previous address back, all sessions end, and we mail you a link to"
        " choose a new password.",
        "Undo the change",
        "/api/auth/email/change/undo",
        "The change is undone. Choose a new password by the link that we mailed you.",
    ),
    Page(
        "/login",
        "Log in",
        "Log in with your email address and password.",
        "Log in",
        "/api/auth/login",
        "You are logged in.",
        (EMAIL, PASSWORD),
        fragment="",
    ),
    Page(
        "/login/link",
        "Log in",
        "Log in by the link that we mailed you.",
        "Log in",
        "/api/auth/login/link/confirm",
        "You are logged in.",
    ),
    Page(
        "/login/mfa",
        "Second factor",
        "Enter a code of your authenticator app, or one of your recovery codes.",
        "Log in",
        "/api/auth/login/mfa",
        "You are logged in.",
        (
            Field("code", "Code of your app", autocomplete="one-time-code", needed=False),
            Field("recovery_code", "Recovery code", needed=False),
        ),
        fragment="mfa_token",
    ),
)
ACCOUNT_PATHS = ("/account", "/settings")
"""One page: who is logged in, and what can be done about organizations that mails tell of."""
