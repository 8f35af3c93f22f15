"""The portal: open data for everybody, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from openapi_spec_validator import validate

from tests.node.alliance import command
from tests.web.conftest import SHOTS, Console, needs_browser

CSV = "number,place\nA-1,north\nA-2,south\n"


@pytest.fixture(scope="module")
def portal(console: Console) -> Iterator[httpx.Client]:
    """A client of the portal, where one dataset is open and one is not."""
    home = console.home.path
    file = home / "benches.csv"
    file.write_text(CSV)
    for name, level in (("benches", 1), ("staff", 3)):
        command("dataset", "register", file, "--home", home, "--dataset", name, "--level", level,
                "--title", f"All {name} <b>here</b>")  # fmt: skip
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


def test_search_and_facets(portal: httpx.Client, console: Console) -> None:
    for query, count in (("?q=benches", 1), ("?q=nothing", 0), (f"?owner={console.member}", 1),
                         ("?owner=nobody", 0), ("?page=99", 1), ("?page=x&q=%00", 0)):  # fmt: skip
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


def test_the_description_is_openapi_and_true(portal: httpx.Client, console: Console) -> None:
    described = portal.get("/api/v1/openapi.json").json()
    validate(described)
    for path in described["paths"]:
        path = path.replace("{owner}", console.member).replace("{name}", "benches")
        answer = portal.get(path)
        assert answer.status_code == 200, path
        again = portal.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code in (200, 304), path  # the head moves on
    found = portal.get("/api/v1/datasets", params={"size": 1}).json()
    assert found["total"] == 1
    assert found["datasets"][0]["dataset"] == f"{console.member}/benches"
    same = portal.get("/api/v1/datasets")
    again = portal.get("/api/v1/datasets", headers={"if-none-match": same.headers["etag"]})
    assert again.status_code == 304


def test_wrong_parameters_are_told(portal: httpx.Client) -> None:
    for query in ("size=0", "size=101", "page=-1", "page=1e3", "page=" + "9" * 5_000):
        answer = portal.get(f"/api/v1/datasets?{query}")
        assert answer.status_code == 400, query
        assert answer.json()["status"] == 400
    assert portal.get("/api/v1/datasets/x/y").status_code == 404
    assert portal.post("/api/v1/datasets").status_code == 405


def test_nothing_of_the_console_is_there(portal: httpx.Client) -> None:
    for path in ("/login", "/live", "/evidence", "/sign/x"):
        assert portal.get(path).status_code == 404, path


@needs_browser
@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_pages_fit_every_width(
    browser: object, portal: httpx.Client, console: Console, language: str
) -> None:
    context = browser.new_context(locale=language)  # type: ignore[attr-defined]
    page = context.new_page()
    SHOTS.mkdir(parents=True, exist_ok=True)
    places = {"catalogue": "/", "dataset": f"/datasets/{console.member}/benches",
              "check": "/check", "developers": "/developers"}  # fmt: skip
    for name, path in places.items():
        for width in (360, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(console.portal + path)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} at {width}: {wide}"
            shot = SHOTS / f"portal-{name}-{language[:2]}-{width}.png"
            page.screenshot(path=shot, full_page=True)
    context.close()
