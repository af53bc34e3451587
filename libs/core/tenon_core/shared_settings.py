"""Settings that all processes share. They have the prefix TENON_ and are set once."""

SHARED_PREFIX = "TENON_"
SHARED_FIELDS = frozenset({"product_name", "public_url", "smtputf8"})
"""Fields of ProcessSettings."""
