"""The portal: open data for everybody, with records and proofs, and nothing else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pyshacl import validate as shacl
from rdflib import Graph, URIRef
from rdflib.compare import isomorphic

from node import checking
from node.errors import MunimentError
from node.exchange.consent import Scope
from node.exchange.declaration import Form, declare
from node.exchange.letter import LetterBox, write
from node.network import load_genesis
from node.publish import proof
from node.publish.box import Box
from node.publish.shelf import TYPES
from tests.node.alliance import command
from tests.node.data.test_dcat import DCAT, SHAPES
from tests.web.conftest import Console
from tests.web.open_data import TREES, publish_trees, register


@pytest.fixture(scope="module")
def portal(console: Console) -> Iterator[httpx.Client]:
    """A client of the portal, where one dataset is open and published, one open, and one closed."""
    home = console.home
    register(home, "benches", 1)
    register(home, "staff", 3)
    publish_trees(home)
    # A proof waits for the next block, which an idle network makes now and then.
    with httpx.Client(base_url=console.portal, timeout=60) as client:
        yield client


def test_only_open_data_is_shown(portal: httpx.Client, console: Console) -> None:
    page = portal.get("/").text
    assert "All benches" in page
    assert "<b>here" not in page
    assert "staff" not in page
    hidden = f"/datasets/{console.member}/staff"
    assert portal.get(hidden).status_code == 404
    assert portal.get(f"{hidden}/1/proof").status_code == 404
    assert portal.get(f"/api/v1{hidden}").status_code == 404
    for feed in ("/catalogue.ttl", "/catalogue.jsonld", "/sitemap.xml"):
        text = portal.get(feed).text
        assert "benches" in text
        assert "staff" not in text
    assert portal.get(f"/api/v1{hidden}/versions/1/records").status_code == 404
    assert portal.get(f"{hidden}/1/records.csv").status_code == 404


def test_the_feed_conforms_to_dcat_ap(portal: httpx.Client) -> None:
    turtle = Graph().parse(data=portal.get("/catalogue.ttl").text, format="turtle")
    linked = Graph().parse(data=portal.get("/catalogue.jsonld").text, format="json-ld")
    assert isomorphic(turtle, linked)
    conforms, _, text = shacl(turtle, shacl_graph=Graph().parse(SHAPES))
    assert conforms, text
    everything = map(str, turtle.objects(predicate=URIRef(f"{DCAT}downloadURL")))
    loaded = [address for address in everything if "/trees/" in address]
    assert sorted(address.rpartition(".")[2] for address in loaded) == ["csv", "json", "parquet"]
    assert all(portal.get(address).status_code == 200 for address in loaded)


def test_search_and_facets(portal: httpx.Client, console: Console) -> None:
    own = f"?owner={console.member}"
    total = portal.get(f"/api/v1/datasets{own}").json()["total"]
    for query, count in (("?q=benches", 1), ("?q=nothing", 0), (own, total), ("?owner=nobody", 0),
                         ("?page=99", total), ("?page=x&q=%00", 0)):  # fmt: skip
        page = portal.get("/" + query)
        assert page.status_code == 200
        assert page.text.count('class="card entry"') == count, query


def test_the_proof_is_verified_offline(portal: httpx.Client, console: Console) -> None:
    file = console.home.path / "benches.state"
    file.write_bytes(portal.get(f"/datasets/{console.member}/benches/1/proof").content)
    genesis = console.home.path / "public.json"
    genesis.write_bytes(portal.get("/genesis.json").content)
    said = json.loads(command("verify-state", file, "--genesis", genesis, "--json"))
    assert "All benches" in json.dumps(said)


def test_a_file_and_its_proof_are_verified_offline(
    portal: httpx.Client, console: Console, tmp_path: Path
) -> None:
    shown = portal.get(f"/datasets/{console.member}/trees").text
    trusted = load_genesis(console.home.genesis).genesis
    for name in TYPES:
        place = f"/datasets/{console.member}/trees/1/records.{name}"
        assert f'href="{place}"' in shown
        assert f'href="{place}.proof"' in shown
        answer = portal.get(place)
        assert answer.headers["content-disposition"].startswith("attachment")
        data = tmp_path / f"trees.{name}"
        data.write_bytes(answer.content)
        sealed = tmp_path / f"trees.{name}.proof"
        sealed.write_bytes(portal.get(f"{place}.proof").content)
        assert proof.verify(sealed, data, trusted).records == len(TREES)
        checked = checking.check(sealed.read_bytes(), trusted, (data.name, data.read_bytes()))
        assert (checked.kind, checked.facts["records"]) == (checking.OPEN, len(TREES))
    with pytest.raises(MunimentError, match=r"not what was registered|the data"):
        checking.check(sealed.read_bytes(), trusted, (data.name, data.read_bytes()[:-9]))
    [row] = [row for row in csv.DictReader(io.StringIO((tmp_path / "trees.csv").read_text()))
             if row["place"].startswith("'")]  # fmt: skip
    assert row["place"] == "'=1+1"


def test_records_are_paged_sorted_and_drawn(portal: httpx.Client, console: Console) -> None:
    place = f"/datasets/{console.member}/trees"
    page = portal.get(place).text
    assert page.count('class="plot bars"') == 2  # heights and dates
    assert page.count('class="ranks"') == 1
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    first = portal.get(f"{place}/1/records").text
    assert first.count("<tr><td>T-") == 50
    down = portal.get(f"{place}/1/records?sort=2&order=down&page=1").text
    assert 'aria-sort="descending"' in down
    heights = [part.partition("</td>")[0] for part in down.split("<td>")[3::4]]
    assert [float(each) for each in heights[:50]] == sorted(map(float, heights[:50]), reverse=True)
    for query in ("sort=9", "sort=x", "page=0", "page=99999999999", "order=%00"):
        assert portal.get(f"{place}/1/records?{query}").status_code == 200, query
    for path in ("/2/records", "/0/records", "/1/records.exe", "/1/manifest", "/99999999999/proof"):
        assert portal.get(place + path).status_code == 404, path


def test_what_people_say_waits_for_a_steward(portal: httpx.Client, console: Console) -> None:
    home, place = console.home, f"/datasets/{console.member}/trees"
    said = "Very <b>useful</b>\x1b[2J"
    sent = portal.post(f"{place}/remarks", data={"text": said, "name": "Ann <i>"})
    assert "Thank you" in sent.text
    assert "useful" not in portal.get(place).text
    elsewhere = {"sec-fetch-site": "cross-site"}
    refused = portal.post(f"{place}/remarks", data={"text": "x"}, headers=elsewhere)
    assert refused.status_code == 403
    for text in ("", " \n ", "x" * 2_001):
        assert portal.post(f"{place}/remarks", data={"text": text}).status_code == 400

    def steward(*args: str) -> str:
        return str(command("portal", *args, "--home", home.path))

    [waiting] = [r for r in json.loads(steward("remarks", "--json")) if r["name"] == "Ann <i>"]
    assert waiting["text"] == "Very <b>useful</b>\ufffd[2J"
    sealed = (home.open / "remarks" / f"{waiting['id']}.sealed").read_bytes()
    assert b"useful" not in sealed
    steward("accept", waiting["id"], "--answer", "Thanks <u>a lot</u>")
    assert waiting["id"] not in steward("remarks", "--json")
    page = portal.get(place).text
    assert "Very &lt;b&gt;useful&lt;/b&gt;" in page
    assert "Thanks &lt;u&gt;a lot" in page


def test_files_of_outsiders_come_in_sealed(portal: httpx.Client, console: Console) -> None:
    home = console.home
    command("source", "add", "permits", "kind=inbox", "standard=x/y", "title=Permits",
            "key=number", "--home", home.path)  # fmt: skip
    token = command("inbox", "invite", "a-lab", "permits", "--home", home.path).strip()
    file = {"file": ("permits.csv", b"number\n1\n")}
    done = portal.post("/hand-in", data={"token": token}, files=file)
    assert done.status_code == 200
    assert "The file has arrived" in done.text
    for data, given, status in (
        ({"token": "wrong"}, file, 401),
        ({"token": token}, {"file": ("../../x.csv", b"1")}, 400),
        ({"token": token}, {"file": ("x.exe", b"1")}, 415),
        ({"token": token}, {"other": ("x.csv", b"1")}, 400),
        ({"token": token}, {"file": ("x.csv", bytes((8 << 20) + 1))}, 413),
    ):
        assert portal.post("/hand-in", data=data, files=given).status_code == status, given
    sent = portal.put("/api/v1/uploads/more.csv", content=b"number\n2\n",
                      headers={"authorization": f"Bearer {token}"})  # fmt: skip
    assert sent.status_code == 201
    assert sent.json()["bytes"] == 9
    no = portal.put("/api/v1/uploads/more.csv", content=b"x")
    assert (no.status_code, no.headers["www-authenticate"]) == (401, "Bearer")
    listed = json.loads(command("inbox", "list", "--home", home.path, "--json"))
    mine = [each["name"] for each in listed if each["sender"] == "a-lab"]
    assert mine == ["permits.csv", "more.csv"]
    stored = b"".join(p.read_bytes() for p in (home.path / "inbox" / "waiting").iterdir())
    assert b"number" not in stored


def test_head_has_the_headers_alone(portal: httpx.Client, console: Console) -> None:
    trees = f"datasets/{console.member}/trees"
    for path in ("/", f"/{trees}", f"/{trees}/1/records.json", f"/api/v1/{trees}",
                 "/catalogue.ttl", "/nothing"):  # fmt: skip
        whole, head = portal.get(path), portal.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b""), path
        assert head.headers["content-length"] == str(len(whole.content)), path


def test_who_goes_away_takes_the_download_along(portal: httpx.Client, console: Console) -> None:
    place = f"/datasets/{console.member}/trees/1/records.parquet"
    for _ in range(3):
        with portal.stream("GET", place) as answer:
            assert next(answer.iter_raw(16))
    assert portal.get(place).status_code == 200


def test_nothing_of_the_console_is_there(portal: httpx.Client) -> None:
    for path in ("/login", "/live", "/evidence", "/sign/x"):
        assert portal.get(path).status_code == 404, path


ANSWER = {
    "registrar": "civil", "time": 1_750_000_000_000, "kind": "complain", "text": "<img src=x>",
    "dataset": "land/permits", "recipient": "tax", "purpose": "loan", "silent": ["land"],
    "subject": [{"dataset": "land/permits", "recipient": "tax", "purpose": "loan",
                 "withdrawn": "signed"}],
    "requests": [{"dataset": "land/permits", "by": "tax", "purpose": "loan", "status": "granted",
                  "had_it_in": [1], "left_out_in": [], "not_known_in": []}],
}  # fmt: skip


def a_letter() -> tuple[bytes, str]:
    """A letter as a file, and the code of its answer."""
    scope = Scope(bytes(32), 1, "civil", "land/permits", "tax", "loan", 1, 1 << 50)
    form = Form(scope, bytes(32))
    declared = declare("ask", form, bytes(32), "11010119900307123X", "11010119900307123X")
    sealed, code = write(form, declared, bytes(32), "<script>alert(1)</script>")
    return sealed.to_json().encode(), code


def test_a_subject_hands_in_a_letter_and_reads_its_answer(
    portal: httpx.Client, console: Console
) -> None:
    folder = console.home.letters
    page = portal.get("/mine").text
    if not Box(folder).is_open:
        assert 'type="file"' not in page
        assert console.net.names[-1] in page  # where the registrar is
    LetterBox(folder, bytes(32)).open()
    sealed, code = a_letter()

    def hand_in(data: bytes) -> httpx.Response:
        return portal.post("/mine/letter", files={"letter": ("letter.json", data)})

    assert "This file is no letter" in hand_in(b"{}").text
    assert hand_in(bytes(70_000)).status_code == 400
    assert "The letter has arrived" in hand_in(sealed).text
    assert portal.post("/mine/answer", data={"code": code}).status_code == 404
    assert portal.post("/mine/answer", data={"code": "../../x"}).status_code == 400
    [(name, found)] = LetterBox(folder, bytes(32)).letters()
    assert found.words == "<script>alert(1)</script>"
    LetterBox(folder, bytes(32)).answer(name, ANSWER)
    answer = portal.post("/mine/answer", data={"code": code})
    assert answer.headers["cache-control"] == "no-store"
    assert "was delivered" in answer.text
    assert "&lt;img src=x&gt;" in answer.text
    shown = portal.post("/mine/answer", data={"code": code}, headers={"accept-language": "zh"})
    assert "已交付" in shown.text
