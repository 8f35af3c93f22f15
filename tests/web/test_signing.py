"""What was shown is signed once; refused, it may be tried again; perhaps taken, it is followed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from consensus.crypto import Signer
from node.devnet import Devnet
from node.errors import MunimentError
from node.network import load_genesis
from node.rpc.client import LOST, NodeError
from node.web import console
from node.web.link import Link
from node.web.live import Live
from node.web.sessions import Session, Sessions
from node.web.signing import Proposal
from node.web.site import COOKIE, Site, Visit

SIGNER = Signer(bytes(32))
SCRIPT = "<script>alert(1)</script>"
PROPOSAL = Proposal(SCRIPT, ((SCRIPT, SCRIPT),), (("feedback", "say", {"words": SCRIPT}),), "/back")


class Troubled(Link):
    """A node that takes what it is given, or says `trouble` once it has got it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.trouble: NodeError | None = None
        self.got: list[str] = []

    def call(self, method: str, /, **params: Any) -> Any:
        match method:
            case "status":
                return {"height": 7}
            case "validators.get":
                return {"parameters": {"replay_window": 100}}
            case "state.query":
                return {"status": "active", "key": SIGNER.public_key.hex(), "duties": ["steward"]}
            case "tx.wait":
                return {"state": "pending"}
            case "tx.submit":
                self.got.append(params["tx"])
        if self.trouble is not None:
            raise self.trouble
        return {}


class Person:
    """Somebody who is logged in, and looks at one proposal."""

    def __init__(self, tmp_path: Path) -> None:
        net = Devnet.create(tmp_path / "net", 4)
        home = net.home("tax")
        self.link = Troubled(home.socket)
        sessions = Sessions(home, "tax", self.link, 1_800.0)
        self.session = Session("token", "li", SIGNER, 0.0, 0.0, frozenset())
        sessions._open["token"] = self.session
        self.session.began = self.session.used = float("inf")
        genesis = load_genesis(home.genesis).genesis
        site = Site(home, "tax", genesis, self.link, Link(home.desk_socket), Live(home, self.link),
                    console.AREAS, sessions)  # fmt: skip
        self.path = f"/sign/{self.session.propose(PROPOSAL)}"
        app = console.build(site, frozenset({"here"}))
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://here", cookies={COOKIE: "token"}
        )

    async def decide(self, decision: str = "sign") -> httpx.Response:
        form = {"csrf": self.session.csrf, "decision": decision}
        return await self.client.post(self.path, data=form)


@pytest.mark.trio
async def test_what_is_signed_is_shown_and_no_script_of_it_runs(tmp_path: Path) -> None:
    person = Person(tmp_path)
    page = (await person.client.get(person.path)).text
    assert "feedback.say" in page
    assert PROPOSAL.digest in page
    assert "the height after which" in page
    assert SCRIPT not in page
    assert page.count("&lt;script&gt;") >= 3


@pytest.mark.trio
async def test_it_is_signed_once(tmp_path: Path) -> None:
    person = Person(tmp_path)
    assert (await person.decide()).headers["location"].startswith("/tx/")
    assert (await person.decide()).status_code == 404
    assert len(person.link.got) == 1


@pytest.mark.trio
async def test_what_may_have_been_taken_is_followed(tmp_path: Path) -> None:
    person = Person(tmp_path)
    person.link.trouble = NodeError("lost on the way", LOST)
    assert (await person.decide()).headers["location"].startswith("/tx/")
    assert (await person.client.get(person.path)).status_code == 404


@pytest.mark.trio
async def test_what_was_refused_can_be_tried_again(tmp_path: Path) -> None:
    person = Person(tmp_path)
    person.link.trouble = NodeError("the waiting room is full", "mempool-full")
    answer = await person.decide()
    assert answer.status_code == 400
    assert "the waiting room is full" in answer.text
    person.link.trouble = None
    assert (await person.decide()).headers["location"].startswith("/tx/")


@pytest.mark.trio
async def test_not_signing_leads_back(tmp_path: Path) -> None:
    person = Person(tmp_path)
    assert (await person.decide("leave")).headers["location"] == "/back"
    assert person.link.got == []


@pytest.mark.trio
async def test_what_somebody_else_has_decided_is_not_signed(tmp_path: Path) -> None:
    person = Person(tmp_path)

    def check(visit: Visit) -> None:
        raise MunimentError("wang was first")

    proposal = Proposal("Say it", (), (("feedback", "say", {}),), "/back", then="/on", check=check)
    person.path = f"/sign/{person.session.propose(proposal)}"
    answer = await person.decide()
    assert (answer.status_code, person.link.got) == (400, [])
    assert "wang was first" in answer.text
    person.path = f"/sign/{person.session.propose(replace(proposal, check=None))}"
    assert (await person.decide()).headers["location"].endswith("?to=/on")
