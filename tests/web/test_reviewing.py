"""Reviews on pages: samples show no plain value, masks are added, reasons travel sealed."""

from __future__ import annotations

import httpx
import pytest

from tests.web.conftest import Town
from tests.web.test_asking import SCRIPT, sealed_at
from tests.web.test_exchange import sign

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
        for mask, settings in ((SCRIPT, ""), ("range", SCRIPT), ("range", ""), ("hmac", "bytes=x")):
            wrong = {"mask-1": mask, "with-1": settings}
            answer = review(client, town, number, "approve", **wrong)
            assert answer.status_code == 400, wrong
            assert SCRIPT not in answer.text
    assert town.query("access", "request", request=number)["status"] == "waiting"


def test_masks_are_added_and_the_second_reviewer_hears_who_was_first(town: Town) -> None:
    number = town.ask_for_ours()
    with town.console.enter() as first, town.console.enter("wang") as second:
        late = review(second, town, number, "deny")
        assert late.status_code == 303
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
