"""Access to the live page and its buttons: by token, cookie and origin. Also limits what browsers may load."""

import hmac
import secrets
import urllib.parse
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..addresses import LOOPBACK, Listen

MAX_BODY_BYTES = 4096

# Open without the token: machines ask for the health, and the answer is one word.
_OPEN_PATHS = ("/healthz",)
# They ask for the token themselves.
_PAGES = ("/", "/history")
_SAFE_METHODS = ("GET", "HEAD")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_ASK_FOR_TOKEN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>edgefg</title>
<link rel="stylesheet" href="/page.css"><body class="login"><form method="get" action="{path}">
<h1>edgefg</h1><p>{reason}</p><input name="token" type="password" aria-label="Token" autofocus autocomplete="off">
<button>Open</button></form></body></html>"""


class AccessControl:
    """Passes on the requests that are allowed, and puts the same strict headers on every answer."""

    def __init__(self, app: ASGIApp, listen: Listen) -> None:
        self._app = app
        self._token = listen.token
        # Not the token itself: browsers store cookies on disk. It is valid until this process ends.
        self._session = secrets.token_urlsafe(32)
        # Cookies ignore ports, and two watches may run on one machine.
        self._cookie = f"edgefg_{listen.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            headers = Headers(scope=scope)
            allowed = self._host_is_ours(headers) and self._is_known(headers) and self._origin_is_ours(headers)
            if allowed:
                await self._app(scope, receive, send)
            else:
                # Before it is accepted: the answer is 403.
                await send({"type": "websocket.close", "code": 1008, "reason": "not allowed"})
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        await (self._app if refusal is None else refusal)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Returns the answer to a request that is not allowed; None for one that is."""
        headers, path = Headers(scope=scope), scope["path"]
        if not self._host_is_ours(headers):
            return PlainTextResponse("expected this machine's own name in the address\n", 421)
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return PlainTextResponse("expected a request without a body\n", 413, {"connection": "close"})
        if path in _OPEN_PATHS or (path == "/page.css" and scope["method"] in _SAFE_METHODS):
            return None
        if self._token is not None and path in _PAGES and scope["method"] == "GET":
            given = urllib.parse.parse_qs(scope["query_string"].decode("latin-1")).get("token")
            if given is not None:
                return self._begin_session(given[0], path)
        if not self._is_known(headers):
            if path in _PAGES:
                return HTMLResponse(_ASK_FOR_TOKEN.format(path=path, reason="This page needs its token."), 401)
            return PlainTextResponse("expected the token\n", 401, {"www-authenticate": "Bearer"})
        if scope["method"] not in _SAFE_METHODS and not self._has_token(headers) and not self._origin_is_ours(headers):
            return PlainTextResponse("expected a request from the page itself\n", 403)
        return None

    def _begin_session(self, token: str, path: str) -> Response:
        if not self._matches(token, self._token):
            return HTMLResponse(_ASK_FOR_TOKEN.format(path=path, reason="That is not its token."), 401)
        # Away from the address that shows the token.
        answer = RedirectResponse(path, 303)
        answer.set_cookie(self._cookie, self._session, httponly=True, samesite="lax", path="/")
        return answer

    def _is_known(self, headers: Headers) -> bool:
        if self._token is None or self._has_token(headers):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and self._matches(cookie.value, self._session)

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return self._token is not None and scheme.lower() == "bearer" and self._matches(given.strip(), self._token)

    def _host_is_ours(self, headers: Headers) -> bool:
        """Returns whether the request names this machine: without a token, another name would let its scripts in."""
        if self._token is not None:
            return True
        try:
            name = urllib.parse.urlsplit(f"//{headers.get('host', '')}").hostname
        except ValueError:
            return False
        return name in LOOPBACK

    @staticmethod
    def _origin_is_ours(headers: Headers) -> bool:
        """Returns whether the request comes from this page, which browsers name; one that names none does not."""
        origin = headers.get("origin", "")
        scheme, _, place = origin.partition("://")
        return scheme in ("http", "https") and place != "" and place == headers.get("host")

    @staticmethod
    def _matches(given: str, expected: str | None) -> bool:
        return expected is not None and hmac.compare_digest(given.encode(), expected.encode())
