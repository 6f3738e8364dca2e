"""Fetching of single pictures from a camera's snapshot address, with a login, and only where the picture is new."""

import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPMessage
from typing import Any

from ..errors import CameraError
from ..utils.redaction import redacted
from .source import SilenceError

_MAX_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 65536
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG")
_NOT_MODIFIED = 304
_REFUSALS = {
    401: "login refused (401); write USER:PASSWORD and an @ before the host",
    403: "access refused (403); check user and password",
    404: "no such picture (404); check the path in the address",
}


@dataclass(frozen=True, eq=False)
class Answer:
    """A camera's answer.

    Attributes:
        kind: Its type, such as ``image/jpeg``; empty if the picture is the same as before.
        content: The picture; empty if it is the same as before, or if this is no picture.
    """

    kind: str = ""
    content: bytes = b""

    @property
    def is_same(self) -> bool:
        """Whether the picture is the same as before."""
        return not self.kind

    @property
    def is_picture(self) -> bool:
        """Whether it is one picture."""
        return bool(self.content)

    @property
    def is_stream(self) -> bool:
        """Whether it is the beginning of a stream."""
        return self.kind.startswith(("multipart/", "video/"))


class SnapshotAddress:
    """An address that may return a picture each time that it is asked."""

    def __init__(self, url: str) -> None:
        """Takes the login out of the address.

        Args:
            url: ``http://`` or ``https://``, with ``USER:PASSWORD@`` before the host if there is a login.

        Raises:
            CameraError: The address cannot be read.
        """
        try:
            parts = urllib.parse.urlsplit(url)
        except ValueError:
            raise CameraError(f"{redacted(url)}: expected an address such as http://10.0.0.5/snap.jpg") from None
        login, at, host = parts.netloc.rpartition("@")
        path, query = (urllib.parse.quote(part, safe="/%:;=&?~+!$,'@()*[]") for part in (parts.path, parts.query))
        self._url = urllib.parse.urlunsplit((parts.scheme.lower(), host, path or "/", query, ""))
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        if at:
            user, _, password = map(urllib.parse.unquote, login.partition(":"))
            root = urllib.parse.urlunsplit((parts.scheme.lower(), host, "/", "", ""))
            passwords.add_password(None, root, user, password)
        # Cameras have certificates of their own making. FFmpeg, which reads streams, checks none either.
        unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=unchecked),
            _Digest(passwords),
            _Basic(passwords),
        )
        self.forget()

    def forget(self) -> None:
        """Lets the next answer be a picture in any case."""
        self._before: bytes | None = None
        self._conditions: dict[str, str] = {}

    def fetch(self, timeout_s: float) -> Answer:
        """Fetches the picture, if it is another one than before. What is no picture is not read.

        Args:
            timeout_s: How long that may take.

        Raises:
            SilenceError: There was no complete answer in that time.
            CameraError: The camera refused, or is not there.
        """
        until_s = time.monotonic() + timeout_s
        try:
            request = urllib.request.Request(self._url, headers={"Cache-Control": "no-cache", **self._conditions})
            with self._opener.open(request, timeout=timeout_s) as response:
                return self._read(response, until_s)
        except urllib.error.HTTPError as refusal:
            refusal.close()
            if refusal.code == _NOT_MODIFIED and self._before is not None:
                return Answer()
            reason = _REFUSALS.get(refusal.code, f"the camera answered with the error {refusal.code}")
        except urllib.error.URLError as failure:
            if isinstance(failure.reason, TimeoutError):
                raise SilenceError(f"no answer within {timeout_s:.3g} s") from None
            reason = _explained(failure.reason)
        except TimeoutError:
            raise SilenceError(f"no answer within {timeout_s:.3g} s") from None
        # These may hold the address, with whatever secret is in it.
        except (OSError, http.client.HTTPException, ValueError) as failure:
            reason = _explained(failure)
        raise CameraError(reason)

    def _read(self, response: http.client.HTTPResponse, until_s: float) -> Answer:
        kind = response.headers.get_content_type()
        if Answer(kind).is_stream:
            return Answer(kind)
        first = response.read1(_CHUNK_BYTES)
        # Some cameras give a wrong type. A stream has no length.
        if not kind.startswith("image/") and (response.length is None or not first.startswith(_PICTURES)):
            return Answer(kind)
        content = first + _rest(response, until_s)
        if content == self._before:
            return Answer()
        self._before = content
        wanted = {"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"}
        self._conditions = {ask: response.headers[told] for ask, told in wanted.items() if response.headers[told]}
        return Answer(kind, content)


class _Digest(urllib.request.HTTPDigestAuthHandler):
    """Takes the challenge that it can answer, and keeps to it; urllib sees only the first, and does not know SHA-256.

    A login that was refused is not tried five times more, as urllib would: cameras lock such viewers out.
    """

    _challenge: dict[str, str] | None = None

    def http_request(self, req: urllib.request.Request) -> urllib.request.Request:
        """Answers the last challenge again, so that the camera need not refuse each request once."""
        answer = None if self._challenge is None else self.get_authorization(req, self._challenge)
        if answer is not None:  # It is None for another host, to which the camera may redirect.
            req.add_unredirected_header("Authorization", f"Digest {answer}")
        return req

    https_request = http_request

    def http_error_401(self, req: Any, fp: Any, code: int, msg: str, headers: HTTPMessage) -> Any:
        before, self._challenge = self._challenge, None
        for challenge in headers.get_all("WWW-Authenticate", []):
            scheme, _, text = challenge.partition(" ")
            if scheme.lower() != "digest":
                continue
            fields = urllib.request.parse_keqv_list(urllib.request.parse_http_list(text))
            is_new = before is not None or not req.has_header("Authorization")
            is_new = is_new or fields.get("stale", "").lower() == "true"
            if is_new and fields.get("algorithm", "MD5").upper() in ("MD5", "SHA", "SHA-256"):
                chosen = HTTPMessage()
                chosen["WWW-Authenticate"] = challenge
                response = super().http_error_401(req, fp, code, msg, chosen)
                self._challenge = fields if response is not None else None
                return response
        return None  # The next handler tries.

    def get_algorithm_impls(self, algorithm: str) -> Any:
        if algorithm.upper() != "SHA-256":
            return super().get_algorithm_impls(algorithm.upper())

        def digest(text: str) -> str:
            return sha256(text.encode()).hexdigest()

        return digest, lambda secret, data: digest(f"{secret}:{data}")


class _Basic(urllib.request.HTTPBasicAuthHandler):
    """Leaves other challenges alone, on which urllib fails, and keeps to what it has answered."""

    _answer: str | None = None

    def http_request(self, req: urllib.request.Request) -> urllib.request.Request:
        _, password = self.passwd.find_user_password("", req.full_url)  # None for another host
        if self._answer is not None and password is not None and not req.has_header("Authorization"):
            req.add_unredirected_header("Authorization", self._answer)
        return req

    https_request = http_request

    def http_error_401(self, req: Any, fp: Any, code: int, msg: str, headers: HTTPMessage) -> Any:
        self._answer = None
        with suppress(ValueError):
            response = super().http_error_401(req, fp, code, msg, headers)
            if response is not None:
                self._answer = req.get_header("Authorization")
            return response
        return None


def _rest(response: http.client.HTTPResponse, until_s: float) -> bytes:
    """Reads the rest of an answer, also of one that comes byte by byte."""
    content = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        content += chunk
        if time.monotonic() > until_s:
            raise TimeoutError
        if len(content) > _MAX_BYTES:
            raise http.client.HTTPException
    if response.length:  # That is what is missing; with read1 the library does not notice.
        raise http.client.IncompleteRead(b"")
    return bytes(content)


def _explained(failure: object) -> str:
    if isinstance(failure, ConnectionRefusedError):
        return "connection refused; check that the camera is on, and the port"
    if isinstance(failure, http.client.IncompleteRead):
        return "the picture is cut short"
    if isinstance(failure, (http.client.HTTPException, ValueError)):
        return "expected a picture over HTTP, found something else; check the address"
    return "the connection failed or broke off"
