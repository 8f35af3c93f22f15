"""What people try against both sites: other files, other hosts, other sites' forms, floods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from node.network import load_genesis
from node.web import console as console_site
from node.web.guard import Rates
from node.web.link import Link
from node.web.live import Live
from node.web.portal.context import Limits
from node.web.sessions import Sessions
from node.web.site import Site
from tests.web.conftest import Console
from tests.web.open_data import portal_app

CLIMBS = (
    "/static/../serve.py", "/static/%2e%2e/serve.py", "/static/..%2fserve.py",
    "/static/%2e%2e%2f%2e%2e%2fsite.py", "/static/..%5c..%5csite.py", "/static/....//site.py",
    "/static/%252e%252e/site.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd", "//etc/passwd",
    "/static/app.css%00.py", "/%2e%2e/settings.toml", "/..%c0%af..%c0%afsettings.toml",
)  # fmt: skip
OPEN_CLIMBS = (
    *(
        base + end
        for base in ("/datasets/tax/trees/1/", "/api/v1/datasets/tax/trees/versions/1/files/")
        for end in ("..%2f..%2f..%2fsettings.toml", "records.csv%00", "..%2frecords.csv", "index",
                    "records.%2e%2e%2fproof", "records.csv.proof%2f..%2findex", "%2fetc%2fpasswd")
    ),
    "/datasets/tax/..%2f..%2fsettings.toml", "/datasets/..%2f..%2fkeys/member.key",
    "/datasets/tax+trees/1", "/api/v1/datasets/..%2ftax/trees", "/datasets/tax/trees%2f1.json",
)  # fmt: skip
SECRETS = (b"[console]", b"root:", b"def ", b'commitment": "', b"PAR1")


@pytest.fixture(scope="module")
def open_site(console: Console) -> Iterator[ASGIApp]:
    with portal_app(console) as made:
        yield made


@pytest.fixture(scope="module")
def closed_site(console: Console) -> Iterator[ASGIApp]:
    """The console in this process, where nobody is logged in."""
    home = console.home
    link, desk = Link(home.socket), Link(home.desk_socket)
    genesis = load_genesis(home.genesis).genesis
    sessions = Sessions(home, console.member, link, 60.0)
    site = Site(home, console.member, genesis, link, desk, Live(home, link), console_site.AREAS,
                sessions)  # fmt: skip
    yield console_site.build(site, frozenset({"testserver"}))
    link.close()
    desk.close()


def visitor(app: ASGIApp, host: str = "testserver") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


async def test_no_path_leads_out_of_what_is_served(open_site: Any, closed_site: Any) -> None:
    for app, paths in ((open_site, CLIMBS + OPEN_CLIMBS), (closed_site, CLIMBS)):
        async with visitor(app) as client:
            for path in paths:
                answer = await client.get(path)
                assert answer.status_code in (303, 404), path
                assert not any(secret in answer.content for secret in SECRETS), path


async def test_only_the_own_names_are_answered(open_site: Any, closed_site: Any) -> None:
    for app in (open_site, closed_site):
        async with visitor(app, "evil.example") as client:
            for headers in ({}, {"x-forwarded-host": "testserver"}):
                answer = await client.get("/", headers=headers)
                assert answer.status_code == 421
    async with visitor(open_site) as client:
        forwarded = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
        for path in ("/sitemap.xml", "/robots.txt", "/catalogue.ttl"):
            assert "evil" not in (await client.get(path, headers=forwarded)).text


async def test_forms_of_other_sites_do_nothing(open_site: Any, closed_site: Any) -> None:
    elsewhere = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    async with visitor(open_site) as client:
        for path in ("/datasets/tax/trees/remarks", "/preferences", "/hand-in"):
            answer = await client.post(path, data={"text": "x"}, headers=elsewhere)
            assert answer.status_code == 403, path
        said = "/api/v1/datasets/tax/trees/feedback"
        assert (await client.post(said, json={"text": "x"}, headers=elsewhere)).status_code == 403
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            # What a form of another site can send without asking first.
            answer = await client.post(said, content=b'{"text": "x"}',
                                       headers={"content-type": kind})  # fmt: skip
            assert answer.status_code in (400, 415), kind
        asks = {"access-control-request-method": "POST", "origin": "https://evil.example"}
        assert (await client.options(said, headers=asks)).status_code == 405
    async with visitor(closed_site) as client:
        for path in ("/preferences", "/login"):
            answer = await client.post(path, data={"operator": "li"}, headers=elsewhere)
            assert answer.status_code == 403, path


@pytest.mark.parametrize("cookie", ["", "x", "0" * 43, "../../keys", "é", "a; muniment=b"])
async def test_a_forged_cookie_is_nobody(closed_site: Any, open_site: Any, cookie: str) -> None:
    headers = {"cookie": f'muniment={cookie}; language=../../x; theme="><script>; zone=../x'}
    sent = {name: value.encode() for name, value in headers.items()}
    async with visitor(closed_site) as client:
        answer = await client.get("/", headers=sent)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login")
        assert (await client.post("/logout", headers=sent)).status_code in (303, 403)
    async with visitor(open_site) as client:
        answer = await client.get("/", headers=sent)
        assert answer.status_code == 200
        assert "<script>" not in answer.text


async def test_bodies_are_bounded_and_answered_clearly(open_site: Any) -> None:
    said, handed = "/api/v1/datasets/tax/trees/feedback", "/api/v1/uploads/x.csv"
    async with visitor(open_site) as client:

        async def endless() -> Any:
            for _ in range(40):
                yield b"x" * 10_000

        whole = await client.post(said, content=b"x" * 300_000)
        streamed = await client.post(said, content=endless(),
                                     headers={"content-type": "application/json"})  # fmt: skip
        for answer in (whole, streamed):
            assert answer.status_code == 413
            assert answer.json()["detail"] == "more than 262144 bytes are not taken"
        for length in ("-1", "x", "9" * 30):
            answer = await client.post(said, content=b"", headers={"content-length": length})
            assert answer.status_code == 400
            assert answer.json()["title"] == "Bad Request"
        large = await client.put(handed, content=b"", headers={"content-length": str(1 << 40)})
        assert large.status_code == 413


async def test_who_asks_too_much_waits(console: Console) -> None:
    limits = Limits(Rates(0.0, 20.0), Rates(0.0, 2.0), Rates(0.0, 2.0))
    with portal_app(console, limits) as app:
        async with visitor(app) as client:
            said = "/api/v1/datasets/tax/trees/feedback"
            got = [(await client.post(said, json={"text": "hello"})).status_code for _ in range(4)]
            assert got == [202, 202, 429, 429]
            wrong = {"authorization": "Bearer wrong"}
            tried = [await client.put("/api/v1/uploads/x.csv", content=b"1", headers=wrong)
                     for _ in range(4)]  # fmt: skip
            assert [answer.status_code for answer in tried] == [401, 401, 429, 429]
            many = [await client.get("/check") for _ in range(20)]
            assert {answer.status_code for answer in many} == {200, 429}
            assert many[-1].headers["retry-after"] == "2"


async def test_every_answer_has_the_policy(open_site: Any) -> None:
    async with visitor(open_site) as client:
        for path in ("/", "/nothing", "/static/app.css", "/api/v1/head", "/api/v1/nothing",
                     "/datasets/tax/trees/1/records.json", "/sitemap.xml"):  # fmt: skip
            answer = await client.get(path)
            assert "default-src 'none'" in answer.headers["content-security-policy"], path
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert "set-cookie" not in answer.headers, path


async def test_downloads_by_range_and_condition(open_site: Any) -> None:
    place = "/api/v1/datasets/tax/trees/versions/1/files/records.csv"
    async with visitor(open_site) as client:
        whole = await client.get(place)
        size, tag = len(whole.content), whole.headers["etag"]
        assert whole.headers["content-length"] == str(size)
        for asked, start, end in (
            ("bytes=0-0", 0, 1), ("bytes=5-", 5, size), ("bytes=-7", size - 7, size),
            ("bytes=10-999999", 10, size), ("bytes=-999999", 0, size),
        ):  # fmt: skip
            part = await client.get(place, headers={"range": asked})
            assert part.status_code == 206, asked
            assert part.content == whole.content[start:end], asked
            assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        for asked in ("bytes=0-1,4-5", "lines=1-2", "bytes=x-y", "bytes=-", "bytes=9", "bytes=9-3"):
            assert (await client.get(place, headers={"range": asked})).content == whole.content
        for asked in (f"bytes={size}-", "bytes=-0"):
            refused = await client.get(place, headers={"range": asked})
            assert refused.status_code == 416, asked
            assert refused.headers["content-range"] == f"bytes */{size}"
        stale = {"range": "bytes=0-0", "if-range": '"other"'}
        assert (await client.get(place, headers=stale)).status_code == 200
        fresh = {"range": "bytes=0-0", "if-range": tag}
        assert (await client.get(place, headers=fresh)).status_code == 206
        assert (await client.get(place, headers={"if-none-match": tag})).status_code == 304
        head = await client.head(place)
        assert (head.content, head.headers["content-length"]) == (b"", str(size))
