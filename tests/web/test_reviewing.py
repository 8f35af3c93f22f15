"""Reviews on pages: samples show no plain value, masks are added, reasons travel sealed."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import trio

from node.network import load_genesis
from node.web import console
from node.web.link import Link
from node.web.live import Live
from node.web.sessions import Sessions
from node.web.site import COOKIE, Site
from tests.web.conftest import PASSPHRASE, Town, sign
from tests.web.test_asking import SCRIPT, sealed_at

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def review(
    client: httpx.Client, town: Town, number: int, outcome: str, **form: str
) -> httpx.Response:
    data = {"csrf": town.console.csrf(client), "revision": "1", "outcome": outcome, **form}
    return client.post(f"/exchange/requests/{number}/review", data=data)


def test_a_sample_shows_what_would_go_and_nothing_plain(town: Town) -> None:
    number = town.ask_for_ours()
    with town.console.enter() as client:
        page = review(client, town, number, "try").text
        assert "***" in page
        assert "exact" in page
        assert '<td class="mono">10</td>' not in page
        masked = review(client, town, number, "try", **{"mask-1": "range", "with-1": "width=50"})
        assert "range(width=50)" in masked.text
        assert "0-49" in masked.text or "[0, 50)" in masked.text
        for weak, settings in (("keep-last", "count=1, length=2"), ("round", "step=1")):
            weakly = review(client, town, number, "try", **{"mask-1": weak, "with-1": settings})
            assert " of 2 characters stay readable" in weakly.text
            assert '<td class="mono">10</td>' not in weakly.text
        for mask, settings in ((SCRIPT, ""), ("range", SCRIPT), ("range", ""), ("hmac", "bytes=x")):
            wrong = {"mask-1": mask, "with-1": settings}
            answer = review(client, town, number, "approve", **wrong)
            assert answer.status_code == 400, wrong
            assert SCRIPT not in answer.text
    assert town.query("access", "request", request=number)["status"] == "waiting"


def test_a_deputy_stands_in_for_some_days(town: Town) -> None:
    with town.console.enter() as client:
        csrf = town.console.csrf(client)
        form = {"csrf": csrf, "deputy": town.neighbour, "days": "3"}
        for days in ("0", "x", "-1", "99999"):
            answer = client.post("/exchange/deputy", data={**form, "days": days})
            assert answer.status_code == 400, days
        sign(client, client.post("/exchange/deputy", data=form), csrf)
        assert f"{town.neighbour} gives the reviews of this member" in client.get("/exchange").text
        sign(client, client.post("/exchange/deputy", data={**form, "deputy": ""}), csrf)
        assert town.query("access", "deputy", member=town.console.member) is None


@pytest.mark.trio
async def test_pages_go_on_without_the_desk_and_say_so(town: Town, tmp_path: Path) -> None:
    number, home, member = town.ask_for_ours(), town.console.home, town.console.member
    link, genesis = Link(home.socket), load_genesis(home.genesis).genesis
    sessions = Sessions(home, member, link, 1_800.0)
    session = await trio.to_thread.run_sync(sessions.enter, "li", PASSPHRASE)
    site = Site(home, member, genesis, link, Link(tmp_path / "no.sock"), Live(home, link),
                console.AREAS, sessions)  # fmt: skip
    transport = httpx.ASGITransport(console.build(site, frozenset({"here"})))
    cookies = {COOKIE: session.token}
    path = f"/exchange/requests/{number}"
    async with httpx.AsyncClient(transport=transport, base_url="http://here",
                                 cookies=cookies) as client:  # fmt: skip
        assert "Approve</button>" in (await client.get(path)).text
        form = {"csrf": session.csrf, "revision": "1"}
        for more in ({"outcome": "try"}, {"outcome": "deny", "text": "no"}):
            answer = await client.post(f"{path}/review", data={**form, **more})
            assert answer.status_code == 400
            assert "muniment desk" in answer.text
        approved = await client.post(f"{path}/review", data={**form, "outcome": "approve"})
        assert approved.status_code == 303
        assert (await client.get("/exchange/authorisations")).status_code == 200
    link.close()


def test_masks_are_added_and_the_second_reviewer_hears_who_was_first(town: Town) -> None:
    number = town.ask_for_ours()
    with town.console.enter() as first, town.console.enter("wang") as second:
        late = review(second, town, number, "deny")
        assert late.status_code == 303
        stale = review(second, town, number, "deny", revision="2")
        assert "amended meanwhile" in stale.text
        mask = {"mask-1": "range", "with-1": "width=50"}
        sign(first, review(first, town, number, "approve", **mask), town.console.csrf(first))
        grant = town.query("access", "grant", grant=number)
        assert grant["fields"][0][1][0] == "range"
        said = f"{town.console.member}/li said approve"
        data = {"csrf": town.console.csrf(second), "decision": "sign"}
        answer = second.post(late.headers["location"], data=data)
        assert answer.status_code == 400
        assert said in answer.text
        assert said in review(second, town, number, "deny").text


def test_a_reason_is_read_by_both_and_by_nobody_else(town: Town) -> None:
    number = town.ask_for_ours()
    with town.console.enter() as client:
        answer = review(client, town, number, "deny", text=f"Not without a treaty {SCRIPT}")
        sign(client, answer, town.console.csrf(client))
        page = client.get(f"/exchange/requests/{number}").text
        assert "Not without a treaty &lt;script&gt;" in page
    row = town.query("access", "request", request=number)["reviews"]["owner"]
    assert row[2] == "deny"
    parties = town.query("envelopes", "get", id="hex:" + row[4])["parties"]
    assert {town.console.member, town.neighbour} <= set(parties)
    assert "Not without" not in sealed_at(town, town.console.member, number)
    with town.console.enter("zhao") as client:
        assert "Not without" not in client.get(f"/exchange/requests/{number}").text
