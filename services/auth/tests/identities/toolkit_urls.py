"""The paths of `toolkit.py`, and what it says of people. Only that program can import this."""

from typing import Any

from django.contrib.auth.views import LoginView
from django.urls import include, path
from oauth2_provider.oauth2_validators import OAuth2Validator


class Validator(OAuth2Validator):  # type: ignore[misc] # it comes without types
    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        user = request.user
        verified = not user.email.startswith("unverified")
        return {"email": user.email, "email_verified": verified, "name": user.first_name}


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("accounts/login/", LoginView.as_view()),
]
