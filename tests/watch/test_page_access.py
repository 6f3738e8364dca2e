"""The live page: whom it serves, by token, origin and host."""

import json

import pytest

pytest.importorskip("uvicorn")

from websockets.exceptions import InvalidStatus

from ..support.watched_page import TOKEN, Served
from ..support.watched_page import guarded as guarded
from ..support.watched_page import steady as steady


class TestToken:
    PATHS = ("/", "/page.js", "/icon.svg", "/api/status", "/metrics", "/mjpeg/door", "/none")

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "Bearer "},
            {"authorization": f"Basic {TOKEN}"},
            {"authorization": f"Bearer {TOKEN}x"},
            {"authorization": "Bearer \xe9\xff"},
            {"cookie": "edgefg_0=x"},
        ],
    )
    def test_without_it_there_is_nothing(self, guarded: Served, path: str, headers: dict[str, str]) -> None:
        answer = guarded.ask(path, **headers)
        assert answer.status == 401
        assert b"door" not in answer.body

    def test_the_token_is_no_cookie(self, guarded: Served) -> None:
        for value in (TOKEN, "", "x"):
            assert guarded.ask("/", cookie=f"edgefg_{guarded.port}={value}").status == 401

    @pytest.mark.parametrize("query", ["token=wrong", "token=", "token=%ff", f"token=x&token={TOKEN}", f"tok={TOKEN}"])
    def test_a_wrong_one_in_the_address(self, guarded: Served, query: str) -> None:
        answer = guarded.ask(f"/?{query}")
        assert answer.status == 401
        assert "set-cookie" not in answer.headers

    def test_the_right_one_becomes_a_cookie(self, guarded: Served) -> None:
        answer = guarded.ask(f"/?token={TOKEN}")
        assert (answer.status, answer.headers["location"]) == (303, "/")
        cookie, *rules = answer.headers["set-cookie"].split("; ")
        assert TOKEN not in cookie
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(rules)
        assert guarded.ask("/", cookie=cookie).status == 200
        assert guarded.ask("/api/status", cookie=cookie).status == 200
        assert guarded.ask("/", cookie=cookie + "x").status == 401

    def test_or_goes_in_a_header(self, guarded: Served) -> None:
        assert guarded.ask("/metrics", authorization=f"Bearer {TOKEN}").status == 200

    def test_health_says_one_word_to_everybody(self, guarded: Served) -> None:
        assert guarded.ask("/healthz").json() == {"status": "ok"}

    def test_the_socket_needs_it_too(self, guarded: Served) -> None:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": f"edgefg_{guarded.port}=wrong"}):
            with pytest.raises(InvalidStatus) as refused, guarded.live(**headers):
                pass
            assert refused.value.response.status_code == 403
        with guarded.live(authorization=f"Bearer {TOKEN}") as live:
            assert "status" in json.loads(live.recv(timeout=10))

    def test_actions_need_it_too(self, guarded: Served) -> None:
        assert guarded.post("/api/cameras/door/background", origin=guarded.origin).status == 401
        assert guarded.post("/api/cameras/door/background", authorization=f"Bearer {TOKEN}").status == 409

    def test_behind_a_name_of_its_own(self, guarded: Served) -> None:
        """With a token the page may be reached under any name."""
        assert guarded.ask("/", host="cameras.example.org", authorization=f"Bearer {TOKEN}").status == 200


class TestOrigin:
    OTHERS = ("https://evil.example", "http://127.0.0.1:1", "http://localhost.evil.example", "null", "file://", "")

    @pytest.mark.parametrize("origin", [*OTHERS[:-1], None])
    def test_a_socket_from_another_page_is_refused(self, steady: Served, origin: str | None) -> None:
        with pytest.raises(InvalidStatus) as refused, steady.live(origin=origin):
            pass
        assert refused.value.response.status_code == 403

    @pytest.mark.parametrize("origin", OTHERS)
    def test_so_is_an_action(self, steady: Served, origin: str) -> None:
        assert steady.post("/api/cameras/door/background", origin=origin).status == 403
        assert steady.watch.state.cameras["door"].background.id == 0

    def test_and_one_that_names_no_page(self, steady: Served) -> None:
        assert steady.post("/api/cameras/door/background").status == 403

    def test_a_cookie_alone_does_not_help_another_page(self, guarded: Served) -> None:
        cookie = guarded.ask(f"/?token={TOKEN}").headers["set-cookie"].partition(";")[0]
        path = "/api/cameras/door/background"
        assert guarded.post(path, origin="https://evil.example", cookie=cookie).status == 403
        assert guarded.post(path, origin=guarded.origin, cookie=cookie).status == 409
        with pytest.raises(InvalidStatus), guarded.live(origin="https://evil.example", cookie=cookie):
            pass

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.2", "[::2]", "@", "[", "a:b"]
    )
    def test_a_name_that_points_here_opens_nothing(self, steady: Served, host: str) -> None:
        """DNS rebinding: a page of theirs, whose name now leads to this machine."""
        assert steady.ask("/api/status", host=host).status in (400, 421)

    def test_a_tunnel_may_have_another_port(self, steady: Served) -> None:
        assert steady.ask("/", host="localhost:9999").status == 200
