"""The age of refresh tokens, which tests change instead of waiting."""

AGE = (
    "update auth.sessions set rotate_time = rotate_time - make_interval(secs => %(seconds)s)"
    " where id = %(id)s"
)
"""Make the current refresh token of a session older, as the database's administrator."""
