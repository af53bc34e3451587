"""Everything that can go wrong in auth."""

from tenon_core.errors import Code, InvalidArgument, NotFound, TenonError, Unauthenticated


class EmailTaken(TenonError):
    """There is an account with this address already. Log in instead."""

    code = Code.ALREADY_EXISTS
    reason = "email_taken"


class SignUpClosed(TenonError):
    """Accounts are made by invitation only. Ask whoever runs this for one."""

    code = Code.PERMISSION_DENIED
    reason = "sign_up_closed"


class AddressNotTheirs(TenonError):
    """The user's address is another one."""

    code = Code.FAILED_PRECONDITION
    reason = "address_not_theirs"


class WeakPassword(InvalidArgument):
    """The password is too easy to guess."""

    reason = "weak_password"


class InvalidCredentials(Unauthenticated):
    """The address or the password is wrong."""

    reason = "invalid_credentials"


class WrongPassword(TenonError):
    """The current password is wrong."""

    code = Code.PERMISSION_DENIED
    reason = "wrong_password"


class TooManyGuesses(TenonError):
    """Too many failed attempts. Wait a few minutes, or log in by a mailed link."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "too_many_guesses"


class TooManyLogIns(TenonError):
    """Too many people log in at this moment. Try again in a few seconds."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "too_many_log_ins"


class PasswordRequired(TenonError):
    """You signed up in another browser. Choose a password, the same one or another."""

    code = Code.FAILED_PRECONDITION
    reason = "password_required"


class LinkNotFound(NotFound):
    """There is no such link that can still be used."""

    reason = "link_not_found"


class LinkSpent(TenonError):
    """The link was used before, or its time is over. Ask for a new one."""

    code = Code.FAILED_PRECONDITION
    reason = "link_spent"


class SessionNotFound(NotFound):
    """There is no such session, or it is not yours."""

    reason = "session_not_found"


class NoPassword(TenonError):
    """This account has no password yet. Choose one by "forgot password"."""

    code = Code.FAILED_PRECONDITION
    reason = "no_password"


class ProviderNotFound(NotFound):
    """Nobody logs in by this provider here."""

    reason = "provider_not_found"


class InvalidReturnTo(InvalidArgument):
    """That is no path of this site."""

    reason = "invalid_return_to"


class FlowSpent(TenonError):
    """This log-in was begun in another browser, or too long ago, or is finished. Begin anew."""

    code = Code.FAILED_PRECONDITION
    reason = "flow_spent"


class ProviderDenied(TenonError):
    """You did not let the provider log you in here."""

    code = Code.PERMISSION_DENIED
    reason = "provider_denied"


class ProviderRefused(TenonError):
    """The provider did not log you in. Begin anew, or log in another way."""

    code = Code.PERMISSION_DENIED
    reason = "provider_refused"


class ProviderUnavailable(TenonError):
    """The provider does not answer as it should. Try again soon, or log in another way."""

    code = Code.UNAVAILABLE
    reason = "provider_unavailable"


class IdTokenInvalid(TenonError):
    """What the provider says of you cannot be believed. Tell whoever runs this."""

    code = Code.PERMISSION_DENIED
    reason = "id_token_invalid"


class ProviderEmailUnverified(TenonError):
    """The provider does not say that the address is yours. Log in another way, and connect it."""

    code = Code.PERMISSION_DENIED
    reason = "provider_email_unverified"


class AccountUnverified(TenonError):
    """There is an account with your address of which nobody knows whether it is yours. Choose a
    new password by "forgot password": that shows it, and ends all sessions of whoever made it.
    """

    code = Code.FAILED_PRECONDITION
    reason = "account_unverified"


class EmailUnverified(TenonError):
    """Verify your address first, by the link that was mailed to it."""

    code = Code.FAILED_PRECONDITION
    reason = "email_unverified"


class IdentityTaken(TenonError):
    """That account at the provider is connected with another one here."""

    code = Code.ALREADY_EXISTS
    reason = "identity_taken"


class ProviderConnected(TenonError):
    """Your account is connected with another one at this provider. Disconnect that first."""

    code = Code.ALREADY_EXISTS
    reason = "provider_connected"


class IdentityNotFound(NotFound):
    """There is no such connection, or it is not yours."""

    reason = "identity_not_found"


class LastWayIn(TenonError):
    """Nothing else would be left to log in by. Choose a password by "forgot password" first."""

    code = Code.FAILED_PRECONDITION
    reason = "last_way_in"


class ApiKeyNotFound(NotFound):
    """There is no such API key in this organization."""

    reason = "api_key_not_found"


class ApiKeyExpired(TenonError):
    """The API key's time is over. Make another one."""

    code = Code.FAILED_PRECONDITION
    reason = "api_key_expired"


class TooManyApiKeys(TenonError):
    """The organization has as many API keys as it may. Revoke one that nobody uses."""

    code = Code.FAILED_PRECONDITION
    reason = "too_many_api_keys"


class RoleAboveOwn(TenonError):
    """A role above your own is not yours to give or to change. Ask an owner."""

    code = Code.PERMISSION_DENIED
    reason = "role_above_own"


class InvalidCode(TenonError):
    """The code is wrong, or was used before. Wait for the next one, or take another."""

    code = Code.PERMISSION_DENIED
    reason = "invalid_code"


class MfaTokenSpent(TenonError):
    """The log-in was finished, took too long, or is of another device. Log in anew."""

    code = Code.FAILED_PRECONDITION
    reason = "mfa_token_spent"


class SecondFactorRequired(TenonError):
    """You have a second factor, so the password alone is not enough."""

    code = Code.PERMISSION_DENIED
    reason = "second_factor_required"


class NoSecondFactor(TenonError):
    """Recovery codes stand in for a second factor, and you have none. Add one first."""

    code = Code.FAILED_PRECONDITION
    reason = "no_second_factor"


class TotpExists(TenonError):
    """You have an authenticator app already. Remove it first."""

    code = Code.ALREADY_EXISTS
    reason = "totp_exists"


class TotpNotFound(NotFound):
    """There is no authenticator app, or it was not confirmed in time."""

    reason = "totp_not_found"


class PasskeyNotFound(NotFound):
    """There is no such passkey, or it is not yours."""

    reason = "passkey_not_found"


class PasskeyExists(TenonError):
    """This passkey is registered already, for your account or another one. Use another one."""

    code = Code.ALREADY_EXISTS
    reason = "passkey_exists"


class TooManyPasskeys(TenonError):
    """You have as many passkeys as one may have. Remove one first."""

    code = Code.FAILED_PRECONDITION
    reason = "too_many_passkeys"


class InvalidPasskey(TenonError):
    """The passkey does not prove who you are. Try again, or take another."""

    code = Code.PERMISSION_DENIED
    reason = "invalid_passkey"


class ChallengeSpent(TenonError):
    """The passkey was asked too long ago, or has answered before. Start anew."""

    code = Code.FAILED_PRECONDITION
    reason = "challenge_spent"


class LastOwner(TenonError):
    """An organization keeps at least one owner. Make somebody else an owner first."""

    code = Code.FAILED_PRECONDITION
    reason = "last_owner"


class ExportNotFound(NotFound):
    """There is no such export of yours, or it is not there yet, or not any more."""

    reason = "export_not_found"


class TooManyExports(TenonError):
    """You had several of these made within the day. Take the last one, or wait."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "too_many_exports"


class ErasureNotFound(NotFound):
    """There is no such erasure."""

    reason = "erasure_not_found"
