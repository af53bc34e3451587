"""HTML of the built-in pages. Nothing of a request gets into it."""

from html import escape

from tenon_gateway.pages.table import EMAIL, PASSWORD, Field, Page

ASSETS = "/api/pages"
FRAME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{assets}/pages.css">
<main>
<h1>{title}</h1>
{content}
<p id="message" role="status"></p>
<noscript><p>This page needs JavaScript.</p></noscript>
</main>
<script src="{assets}/pages.js"></script>
</html>
"""
ACCOUNT = """<div id="account" hidden>
<p>You are logged in as <strong id="who"></strong>.</p>
<h2>Organizations</h2>
<ul id="organizations"></ul>
<p><button type="button" id="log-out">Log out</button></p>
</div>
<p><a href="/api/docs">API documentation</a></p>"""


def form_page(page: Page) -> str:
    parts = [f"<p>{escape(page.text)}</p>", _main_form(page)]
    if page.log_in:
        parts.append(_log_in_form())
    if page.signs_up:
        parts.append(_sign_up_form())
    return FRAME.format(title=escape(page.title), content="\n".join(parts), assets=ASSETS)


def account_page() -> str:
    content = f"{ACCOUNT}\n{_log_in_form()}"
    return FRAME.format(title="Your account", content=content, assets=ASSETS)


def _main_form(page: Page) -> str:
    attributes = {"route": page.route, "token": page.fragment, "done": page.done}
    return _form("main", page.button, page.fields, attributes)


def _log_in_form() -> str:
    attributes = {"route": "/api/auth/login", "token": "", "done": ""}
    return _section("log-in", "Log in", _form("login", "Log in", (EMAIL, PASSWORD), attributes))


def _sign_up_form() -> str:
    attributes = {"route": "/api/auth/signup", "token": "invitation_token", "done": ""}
    password = Field("password", "Password", "password", "new-password")
    fields = (Field("name", "Name", autocomplete="name"), EMAIL, password)
    title = "Create an account"
    return _section("sign-up", title, _form("signup", title, fields, attributes))


def _section(identity: str, title: str, form: str) -> str:
    return f'<section id="{identity}" hidden>\n<h2>{title}</h2>\n{form}\n</section>'


def _form(name: str, button: str, fields: tuple[Field, ...], data: dict[str, str]) -> str:
    attributes = " ".join(f'data-{key}="{escape(value)}"' for key, value in data.items())
    inputs = "\n".join(_input(f"{name}-{field.name}", field) for field in fields)
    return (
        f'<form id="{name}" method="post" {attributes}>\n{inputs}\n'
        f"<button>{escape(button)}</button>\n</form>"
    )


def _input(identity: str, field: Field) -> str:
    required = " required" if field.needed else ""
    return (
        f'<label for="{identity}">{escape(field.label)}</label>\n'
        f'<input id="{identity}" name="{field.name}" type="{field.kind}"'
        f' autocomplete="{field.autocomplete}"{required}>'
    )
