"""Parts of a file over HTTP: a browser that plays a clip asks for them, to jump to a place in it."""

import re
from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

_CHUNK_BYTES = 256 * 1024
# One range and no list of them: a list can ask for one byte a million times.
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def file_answer(path: Path, media_type: str, request: Request) -> Response:
    """Returns a file, or the part of it that a request asks for.

    Args:
        path: A file that the asker may have.
        media_type: Its type.
        request: Its header ``Range``, if it is no single range of bytes, is ignored, as HTTP allows.

    Returns:
        200 with the whole, 206 with a part, 416 for a part that is not there, 404 where there is no such file.
    """
    if path.is_symlink() or not path.is_file():
        return PlainTextResponse("no such file\n", 404)
    size = path.stat().st_size
    first, last, status, headers = 0, size - 1, 200, {"accept-ranges": "bytes"}
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    if wanted is not None and wanted.groups() != ("", ""):
        first, last = _bounds(wanted[1], wanted[2], size)
        if first > last:
            return PlainTextResponse("no such range\n", 416, {"content-range": f"bytes */{size}"})
        status = 206
        headers["content-range"] = f"bytes {first}-{last}/{size}"
    headers["content-length"] = str(last + 1 - first)
    if request.method == "HEAD":
        return Response(None, status, headers, media_type)
    return StreamingResponse(_chunks(path, first, last + 1), status, headers, media_type)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Returns the first and the last byte of a range; the first is after the last where there are none."""
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _chunks(path: Path, begin: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(begin)
        while begin < end and (chunk := file.read(min(_CHUNK_BYTES, end - begin))):
            begin += len(chunk)
            yield chunk
