"""The names of the database's roles: a service's owner migrates its schema, its app uses it."""


def owner_role(service: str) -> str:
    return f"tenon_{service}_owner"


def app_role(service: str) -> str:
    return f"tenon_{service}_app"
