"""Files are checked in the page, step by step; receipts are exported under an operator's key."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from consensus.codec import decode, encode
from node.network import load_genesis
from node.trace import export
from tests.node.alliance import command
from tests.web.conftest import Console, Town, hidden

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SCRIPT = "<script>alert(1)</script>"


def check(
    console: Console, client: httpx.Client, data: bytes, name: str = "x.receipt",
    beside: tuple[str, bytes] | None = None,
) -> httpx.Response:  # fmt: skip
    files = {"file": (name, data)} | ({"data": beside} if beside else {})
    return client.post("/evidence/verify", data={"csrf": console.csrf(client)}, files=files)


@pytest.fixture(scope="module")
def registered(town: Town, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The transaction of a registration with a block above it."""
    table = tmp_path_factory.mktemp("mills") / "mills.csv"
    table.write_text(f"city,income\nBeijing,10\n{SCRIPT},20\n")
    member = town.console.member
    done = town.at(member, "dataset", "register", table, "--standard", f"{member}/firm",
                   "--title", f"Mills {SCRIPT}")  # fmt: skip
    town.at(town.neighbour, "feedback", "give", f"{member}/mills", 3)
    txid: str = done["txid"]
    return txid


def test_a_receipt_is_checked_and_a_changed_one_refused(town: Town, registered: str) -> None:
    with town.console.enter() as client:
        receipt = client.get(f"/tx/{registered}/receipt").content
        page = check(town.console, client, receipt, f"{SCRIPT}.receipt").text
        assert "receipt of a transaction" in page
        assert "the result is the one that the next block commits to" in page
        assert f'href="/tx/{registered}"' in page
        assert SCRIPT not in page
        for place in (20, len(receipt) // 2, len(receipt) - 3):
            wrong = bytearray(receipt)
            wrong[place] ^= 1
            answer = check(town.console, client, bytes(wrong), f"{SCRIPT}.receipt")
            assert answer.status_code == 400
            assert "not proved" in answer.text
            assert SCRIPT not in answer.text
    with town.console.enter("zhao", "zh") as auditor:
        assert "交易回执" in check(town.console, auditor, receipt).text


def test_a_proof_of_a_record_shows_what_it_discloses(
    town: Town, registered: str, tmp_path: Path
) -> None:
    out = tmp_path / "record.proof"
    command("prove-record", f"{town.console.member}/mills", "--row", 2, "--field", "city",
            "--txid", registered, "-o", out, "--home", town.console.home.path)  # fmt: skip
    with town.console.enter() as client:
        page = check(town.console, client, out.read_bytes()).text
    assert "proof of a record" in page
    assert "&lt;script&gt;alert(1)" in page
    assert SCRIPT not in page
    assert ">20<" not in page  # hidden


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "Choose a file."),
        (b"not a proof", "no receipt, proof, evidence"),
        (encode(["muniment-case-1", [], []]), "another format"),
        (encode(["muniment-delivery-1", [], b""]), "evidence"),
        (encode(["muniment-export-1", b"", b"", b""]), "does not decode"),
        (encode([1] * 11), "does not decode"),
        (b"muniment open 1\n" + bytes(40), "give the file that it is of too"),
    ],
)
def test_what_is_no_proof_is_refused_with_a_sentence(
    console: Console, data: bytes, told: str
) -> None:
    with console.enter() as client:
        answer = check(console, client, data)
        assert answer.status_code == 400
        assert told in answer.text


def test_more_than_is_taken_is_refused_at_the_door(console: Console) -> None:
    with console.enter() as client:
        answer = check(console, client, bytes((16 << 20) + 1))
        assert answer.status_code == 413
        assert "A file has at most" in answer.text
        answer = check(console, client, bytes(34 << 20))
        assert answer.status_code == 413
        assert "more than 33 MiB" in answer.text


def test_an_auditor_exports_under_their_own_key(
    town: Town, registered: str, tmp_path: Path
) -> None:
    console, dataset = town.console, f"{town.console.member}/mills"
    with console.enter("zhao") as auditor, console.enter() as other:
        csrf = console.csrf(auditor)
        form = {"csrf": csrf, "title": f"Mills {SCRIPT}", "dataset": dataset, "from": "1",
                "to": "1"}  # fmt: skip
        for wrong in ({"from": "x"}, {"title": ""}, {"dataset": "", "from": "9", "to": "3"}):
            assert auditor.post("/evidence/export", data={**form, **wrong}).status_code == 400
        answer = auditor.post("/evidence/export", data=form)
        assert answer.status_code == 303, answer.text
        place = answer.headers["location"]
        # The proof of the key waits for a block: any transaction makes one.
        town.at(town.neighbour, "feedback", "give", dataset, 4)
        console.await_jobs()
        page = auditor.get(place).text
        assert "catalogue.register" in page
        assert SCRIPT not in page
        digest = hidden(page, "digest")
        assert other.get(place).status_code == 400  # another's
        assert auditor.post(place, data={"csrf": csrf, "digest": "00"}).status_code == 400
        signed = auditor.post(place, data={"csrf": csrf, "digest": digest})
        assert signed.headers["content-disposition"].endswith('.export"')
        page = check(console, other, signed.content, "a.export").text
        assert "the export is signed with that key, and unchanged since" in page
        assert SCRIPT not in page
    file = tmp_path / "a.export"
    file.write_bytes(signed.content)
    told = json.loads(command("verify", file, "--genesis", console.home.genesis, "--json"))
    assert told["signed by"] == f"{console.member}/zhao"
    assert [row["txid"] for row in told["history"]] == [registered]

    genesis = load_genesis(console.home.genesis).genesis
    row = decode(signed.content, max_bytes=len(signed.content))
    assert isinstance(row, list)
    content = export.Content.decode(row[1])
    less = export.Content(content.member, "li", content.time, content.title, ())
    for wrong in ([row[0], less.encode(), *row[2:]], [*row[:2], bytes(64), row[3]],
                  [*row[:3], content.receipts[0]]):  # fmt: skip
        with pytest.raises(Exception, match=r"not of the key|not signed|does not decode|proves"):
            export.verify(encode(wrong), genesis)
