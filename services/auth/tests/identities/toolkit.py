"""An OpenID provider of other people's making, django-oauth-toolkit, as a program of its own:

    python toolkit.py DIRECTORY PORT

It reads people and its one client from DIRECTORY/provider.json and serves until it is ended.
"""

import json
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

FORM = '<form method="post">{% csrf_token %}{{ form }}<button>Log in</button></form>'
UNVERIFIED = "unverified"
"""What addresses begin with that the provider does not vouch for."""


def configure(directory: Path, port: int) -> None:
    settings.configure(
        SECRET_KEY="of a test",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="toolkit_urls",
        LOGIN_URL="/accounts/login/",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": directory / "db.sqlite3"}
        },
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [
                        (
                            "django.template.loaders.locmem.Loader",
                            {"registration/login.html": FORM},
                        ),
                        "django.template.loaders.app_directories.Loader",
                    ]
                },
            }
        ],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}/o",
            "OIDC_RSA_PRIVATE_KEY": (directory / "key.pem").read_text(),
            "OAUTH2_VALIDATOR_CLASS": "toolkit_urls.Validator",
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
            "SCOPES": {"openid": "Who you are", "email": "Your address", "profile": "Your name"},
        },
    )


def fill(said: dict[str, Any]) -> None:
    from django.contrib.auth.models import User
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    for person in said["people"]:
        User.objects.create_user(**person)
    Application.objects.create(
        client_id=said["client_id"],
        client_secret=said["client_secret"],
        redirect_uris=said["redirect_uri"],
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        algorithm=Application.RS256_ALGORITHM,
    )


def main(directory: Path, port: int) -> None:
    configure(directory, port)
    django.setup()
    fill(json.loads((directory / "provider.json").read_text()))
    server = ThreadedWSGIServer(("127.0.0.1", port), WSGIRequestHandler)
    server.set_app(get_wsgi_application())
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
