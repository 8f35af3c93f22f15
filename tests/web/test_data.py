"""Data in the console: found by words and facets, shown with grades, versions and standard."""

from __future__ import annotations

from tests.web.conftest import Town


def test_the_catalogue_is_searched_and_walked(town: Town) -> None:
    name = town.theirs
    owner = name.partition("/")[0]
    with town.console.enter() as client:
        assert f"/data/{name}" in client.get("/data").text
        assert f"/data/{name}" in client.get("/data", params={"owner": owner}).text
        assert f"/data/{name}" not in client.get("/data", params={"owner": "nobody"}).text
        assert f"/data/{name}" not in client.get("/data", params={"q": "no such words"}).text
        for page in ("0", "x", "9" * 50):
            assert client.get("/data", params={"page": page}).status_code == 200

        shown = client.get(f"/data/{name}").text
        assert f"/exchange/ask?dataset={name}" in shown
        assert 'href="/blocks/' in shown
        standard = shown.partition('href="/data/standards/')[2].partition('"')[0]
        assert f"/data/standards/{standard}" in client.get("/data/standards").text
        assert client.get(f"/data/standards/{standard}").status_code == 200
        for path in ("/data/x/y", "/data/standards/x/y", "/data/..%2f/x"):
            assert client.get(path).status_code in (400, 404), path


def test_nobody_asks_for_their_own_data(town: Town) -> None:
    with town.console.enter() as client:
        assert "/exchange/ask?" not in client.get(f"/data/{town.ours}").text
    with town.console.enter("zhao") as client:  # an auditor reads only
        assert "/exchange/ask?" not in client.get(f"/data/{town.theirs}").text
