from services.auth.tests.erasures.conftest import admin, working

__all__ = ["admin", "working"]
