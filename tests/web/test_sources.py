"""Sources by pages alone: runs, quarantine, repair, signature; what outsiders hand in."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from node.data.inbox import Intake
from tests.node.alliance import command
from tests.web.conftest import Console, hidden, second_of, sign, standard_of

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
CHINESE = {"accept-language": "zh"}
SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
SHEET = '=HYPERLINK("http://x.example","x")'
FIELDS = (("code", "identifier", 1), ("fee", "amount", 2), ("note", "text", 1), ("seal", "date", 4))


@dataclass(frozen=True)
class Yard:
    """A member's own source `name`, whose file a test writes."""

    console: Console
    name: str
    file: Path

    @property
    def path(self) -> str:
        return f"/data/sources/{self.name}"

    def write(self, *rows: list[str]) -> None:
        with self.file.open("w", newline="") as file:
            csv.writer(file).writerows([[name for name, _, _ in FIELDS], *rows])

    def post(self, client: httpx.Client, part: str, **form: str) -> httpx.Response:
        return self.console.post(client, f"{self.path}/{part}", **form)

    def run(self, client: httpx.Client) -> str:
        """Run by the page; returns the page once the run has ended."""
        assert self.post(client, "run").status_code == 303
        self.console.await_jobs()
        return client.get(self.path).text


@pytest.fixture(scope="module")
def standard(console: Console, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = f"{console.member}/yard"
    path = tmp_path_factory.mktemp("standard") / "yard.json"
    path.write_text(standard_of(name, f"Yard {IMAGE}", FIELDS))
    command("standard", "publish", path, "--home", console.home.path)
    return name


@pytest.fixture
def yard(console: Console, standard: str, tmp_path: Path) -> Callable[..., Yard]:
    def declare(name: str, *more: str, kind: str = "file") -> Yard:
        file = tmp_path / f"{name}.csv"
        path = [f"path={file}"] if kind == "file" else []
        command("source", "add", name, "--home", console.home.path, f"kind={kind}", *path,
                f"standard={standard}", f"title=Yard {SCRIPT}", "key=code", *more)  # fmt: skip
        return Yard(console, name, file)

    return declare


def test_a_run_a_repair_and_its_signature(yard: Callable[..., Yard]) -> None:
    made = yard("crates", f"keywords={IMAGE}")
    made.write(["A1", "10", "fine", "2024-01-01"], ["A2", f"ten {SCRIPT}", SHEET, "2024-01-02"],
               ["A3", "3", IMAGE, "not a day"])  # fmt: skip
    with made.console.enter() as client:
        assert made.path in client.get("/data/sources").text
        page = made.run(client)
        assert "Ready to be registered" in page
        assert SCRIPT not in page
        assert IMAGE not in page
        assert (
            made.console.query("catalogue", "get", dataset=f"{made.console.member}/crates") is None
        )
        sign(client, made.post(client, "register"), made.console.csrf(client))
        page = client.get(made.path).text
        assert "Ready to be registered" not in page
        assert "registered" in page
        known = made.console.query("catalogue", "get", dataset=f"{made.console.member}/crates")
        assert (known["rows"], known["version"], known["level"]) == (1, 1, 4)

        quarantine = client.get(f"{made.path}/quarantine").text
        assert "ten &lt;script&gt;" in quarantine  # what is wrong is shown, and harmless
        assert SCRIPT not in quarantine
        assert IMAGE not in quarantine
        assert "not a day" not in quarantine  # of the highest level
        assert "is not a decimal number" in quarantine
        assert "不是小数" in client.get(f"{made.path}/quarantine", headers=CHINESE).text
        record = quarantine.partition('id="record-')[2].partition('"')[0]  # the first: A2
        fixed = made.post(client, "quarantine", record=record, field="fee", value="10")
        assert fixed.status_code == 303
        assert "corrections wait for a run" in client.get(made.path).text
        assert "0 added" not in (page := made.run(client))
        assert "1 added, 0 removed, 0 changed" in page
        sign(client, made.post(client, "register"), made.console.csrf(client))
        client.get(made.path)  # sees that it is registered, and is done with it
        assert "Nothing of" not in made.run(client)
        history = client.get(made.path).text
        assert history.count('<span class="badge good">registered</span>') == 2
        first = history.rpartition('<span class="badge warn">ready</span>')[2].partition("</tr>")[0]
        assert re.findall(r'"number">([0-9]+)<', first) == ["1", "1", "0", "0", "2"]
        assert '<span class="badge ">unchanged</span>' in history
        made.file.unlink()
        said = f"{made.file} is missing or not a file"
        assert said in made.run(client)
        told = client.get(made.path, headers=CHINESE).text  # the job, and the run in the history
        assert told.count(f"（{said}）") == 2

        assert made.post(client, "discard").status_code == 400
        assert made.post(client, "discard", sure="on").status_code == 303
        assert "Nothing is in quarantine." in client.get(f"{made.path}/quarantine").text


@pytest.fixture
def folder(console: Console, tmp_path: Path) -> Iterator[Path]:
    """A folder below which pages may declare files."""
    made = tmp_path / "exports"
    made.mkdir()
    before = console.home.settings.read_text()
    line = f"source_folders = {json.dumps([str(made)])}"
    console.home.settings.write_text(before.replace("source_folders = []", line))
    yield made
    console.home.settings.write_text(before)


def test_a_source_is_declared_filled_changed_and_ended_by_pages(
    console: Console, standard: str, tmp_path: Path
) -> None:
    made = Yard(console, "sacks", tmp_path / "sacks.csv")
    form = {"name": "sacks", "title": f"Sacks {SCRIPT}", "standard": standard, "kind": "inbox",
            "key": "code, code", "more": 'keywords = ["\x7f"]\nformat = "csv"'}  # fmt: skip
    with console.enter() as client:
        csrf = console.csrf(client)
        assert "Declare a source" in client.get("/data/sources").text
        told = client.post("/data/sources", data={"csrf": csrf, **form, "more": "colums = 3"})
        assert (told.status_code, "did you mean columns?" in told.text) == (400, True)
        assert 'value="sacks"' in told.text  # what was written stands there again
        form |= {"key": "code", "more": 'frequency = "daily"\r\n'}
        answer = client.post("/data/sources", data={"csrf": csrf, **form})
        assert answer.headers["location"] == made.path
        again = client.post("/data/sources", data={"csrf": csrf, **form})
        assert (again.status_code, "already" in again.text) == (400, True)
        page = client.get(made.path).text
        assert SCRIPT not in page
        assert "frequency" in page

        rows = "code,fee,note,seal\nS1,1,a,2024-01-01\nS2,2,b,2024-01-02\n".encode("gb18030")
        for name, data, status in (("../sacks.csv", rows, 400), ("袋.csv", rows, 303),
                                   ("sacks.exe", rows, 400), ("sacks.csv", b"", 400),
                                   ("a" * 200 + ".csv", rows, 400)):  # fmt: skip
            answer = client.post("/data/hand-in/sacks", data={"csrf": csrf},
                                 files={"file": (name, data)})  # fmt: skip
            assert answer.status_code == status, name
        for name in ("crates", "nothing", "..%2fsettings"):
            answer = client.post(f"/data/hand-in/{name}", data={"csrf": csrf},
                                 files={"file": ("x.csv", rows)})  # fmt: skip
            assert 400 <= answer.status_code < 500, name
        assert "goes into the next run" in client.get(made.path).text
        ending = made.post(client, "end", sure="on")
        assert (ending.status_code, "take or refuse them first" in ending.text) == (400, True)
        assert "2 added, 0 removed" in made.run(client)
        sign(client, made.post(client, "register"), csrf)
        assert "Ready to be registered" not in client.get(made.path).text

        seen = _seen(client, made.path)
        change = {**form, "seen": seen, "title": "Bags"}
        assert made.post(client, "declaration", **change).status_code == 303
        assert "<h1>Bags</h1>" in client.get(made.path).text
        late = made.post(client, "declaration", **change)
        assert (late.status_code, "changed meanwhile" in late.text) == (400, True)
        other = {**change, "seen": _seen(client, made.path), "more": 'dataset = "other"'}
        assert "dataset stays" in made.post(client, "declaration", **other).text
        assert made.post(client, "end").status_code == 400
        assert made.post(client, "end", sure="on").status_code == 303
        assert client.get(made.path).status_code == 400
        assert not list(console.home.sources.glob("sacks*"))
    known = made.console.query("catalogue", "get", dataset=f"{console.member}/sacks")
    assert (known["rows"], known["level"]) == (2, 4)


def _seen(client: httpx.Client, path: str) -> str:
    return hidden(client.get(path).text, "seen")


def test_a_standard_is_published_by_the_page_and_followed_by_its_next_version(
    console: Console,
) -> None:
    publish, shown = "/data/publish-standard", f"/data/standards/{console.member}/quay"
    field = {"name": "code", "type": "identifier", "level": 1}
    body = {"id": f"{console.member}/quay", "title": f"Quay {SCRIPT}", "fields": [field]}
    with console.enter() as client:
        csrf = console.csrf(client)
        start = client.get(f"{publish}?start=person").text
        assert f"&#34;id&#34;: &#34;{console.member}/person&#34;" in start

        def post(document: object) -> httpx.Response:
            text = document if isinstance(document, str) else json.dumps(document, indent=0)
            return client.post(publish, data={"csrf": csrf, "document": text})

        for document, told in (
            ({**body, "id": "nobody/quay"}, f"{console.member}/"),
            ({**body, "version": 7}, "next version is 1"),
            ({**body, "fields": [{**field, "type": "identifyer"}]}, "did you mean"),
            ({**body, "fields": [field, {**field, "level": 9}]}, "Line 1"),
            ({**body, "x<b>": 1}, "x&lt;b&gt;"),
            ({**body, SCRIPT: 1}, ""),
            ({**body, "schema": {"type": "object", "$ref": "https://x.example/"}}, ""),
            ({**body, "schema": {"a": "[" * 9_000}}, ""),
            (SCRIPT, "line 1, column 1"),
            ("", ""),
            ("[" * 60_000, "not JSON"),
            ("[]", "has to be a map"),
            ("x" * 140_000, "at most"),
        ):
            answer = post(document)
            assert (answer.status_code, told in answer.text) == (400, True), (told, answer.text)
            assert SCRIPT not in answer.text
        table = {"file": ("pier.csv", b"code,mail\nP1,li@land.example\nP2,wu@land.example\n")}
        named = {"csrf": csrf, "name": "pier"}
        for form, file in (({**named, "name": SCRIPT}, table), (named, {"file": ("x.csv", b"")}),
                           (named, {"file": ("pier.exe", b"x")})):  # fmt: skip
            answer = client.post("/data/draft-standard", data=form, files=file)
            assert (answer.status_code, SCRIPT in answer.text) == (400, False)
        answer = client.post("/data/draft-standard", data=named, files=table)
        console.await_jobs()
        draft = client.get(answer.headers["location"]).text
        assert f"&#34;id&#34;: &#34;{console.member}/pier&#34;" in draft
        assert "&#34;level&#34;: 3" in draft  # mail addresses
        assert "pier.csv" not in client.get("/data/inbox").text
        with console.enter("wang") as other:
            assert other.get(answer.headers["location"]).status_code == 403
        broken = client.post("/data/draft-standard", data=named, files={"file": ("x.xlsx", b"x")})
        console.await_jobs()
        failed = client.get(broken.headers["location"])  # which a page that waits takes
        assert (failed.status_code, 'role="alert"' in failed.text) == (200, True)
        chinese = {"accept-language": "zh"}
        assert "数据源无法继续读取" in client.get(broken.headers["location"], headers=chinese).text

        sign(client, post(body), csrf)
        page = client.get(shown).text
        assert "identifier" in page
        assert SCRIPT not in page
        draft = client.get(f"{publish}?next={console.member}/quay").text
        assert "&#34;version&#34;: 2" in draft
        assert "next version is 2" in post(body).text
        again = post({**body, "version": 2})
        assert (again.status_code, "Nothing is to be changed" in again.text) == (400, True)
        answer = post({**body, "version": 2, "fields": [{**field, "level": 3}]})
        assert "who may see it changes" in client.get(answer.headers["location"]).text
        sign(client, answer, csrf)
        assert '<span class="badge l3">' in client.get(shown).text
    with console.enter("zhao") as auditor:
        assert publish not in auditor.get(shown).text
        assert auditor.get(publish).status_code == 403


def test_a_page_declares_no_file_outside_of_the_folders_that_are_named(
    console: Console, standard: str, folder: Path
) -> None:
    inside, home = folder / "inside.csv", console.home.path
    inside.write_text("code,fee,note,seal\n")
    (folder / "link").symlink_to(home / "keys")
    (folder / "home").symlink_to(home)
    base = {"name": "prowl", "title": "Prowl", "standard": standard, "key": "code"}
    refused: list[dict[str, str]] = [
        *({"kind": kind, "place": place} for kind in ("file", "folder") for place in (
            "/etc/passwd", f"{home}/settings.toml", f"{home}/keys", f"{folder}/../x",
            f"{folder}/link/vault.key", f"{folder}/home/settings.toml", "inside.csv", "/",
            f"{folder.parent}", f"{folder}s/x", f"{inside}\x00", "")),
        {"kind": "folder", "place": str(folder), "more": 'pattern = "../*"'},
        {"kind": "folder", "place": str(folder), "more": 'pattern = "/etc/*"'},
        {"kind": "file", "place": str(inside), "more": 'path = "/etc/passwd"'},
        {"kind": "inbox", "more": 'url_file = "/etc/passwd"'},
        {"kind": "inbox", "more": "schedule = \"* * * * *\""},
        {"kind": "inbox", "more": "watch = true"},
        {"kind": "inbox", "more": 'dataset = "../a b"'},
        {"kind": "inbox", "standard": "tax/yard@x"},
        {"kind": "folder", "place": str(folder), "more": 'pattern = "\\u0000"'},
        {"kind": "inbox", "more": "[["}, {"kind": "inbox", "more": "a = [" * 5_000},
        {"kind": "inbox", "more": "x" * 20_000}, {"kind": "inbox", "secret": "x"},
        {"kind": SCRIPT}, {"kind": "inbox", "name": "../prowl"}, {"kind": "inbox", "name": SCRIPT},
        *({"kind": "sql", "secret": url, "more": 'table = "t"'} for url in (
            f"sqlite:///{home}/trace.db", "sqlite:////etc/x.db", "sqlite:///x.db", "sqlite://",
            f"sqlite:///{folder}/%2e%2e/x.db", f"sqlite:///{inside}?mode=rw",
            f"sqlite://h/{inside}", f"sqlite+pysqlcipher://:x@/{inside}",
            "postgresql:///db", "postgresql://u:p@h/db?passfile=/etc/passwd",
            "mysql://u:p@h/db", "mysql+pymysql://u:p@h/db?local_infile=1", "duckdb:////etc/passwd",
            "postgresql://u:p@[h/db", "postgresql://u:p@h\n/db", "")),
        {"kind": "sql", "place": "postgresql://u:pass-word@h/db", "more": 'table = "t"'},
        {"kind": "http", "place": "https://u:pass-word@h/"}, {"kind": "http", "place": "file:///x"},
        {"kind": "http", "place": "https://h/?…"},
        {"kind": "http", "place": "https://h/", "secret": "no header"},
    ]  # fmt: skip
    with console.enter() as client:
        csrf = console.csrf(client)
        for bad in refused:
            answer = client.post("/data/sources", data={"csrf": csrf, **base, **bad})
            assert answer.status_code == 400, bad
            assert SCRIPT not in answer.text
            assert "pass-word" not in answer.text.partition('role="alert"')[2].partition("</p>")[0]
        assert not list(console.home.sources.glob("*prowl*"))
        good = {"csrf": csrf, **base, "kind": "file", "place": str(inside)}
        assert client.post("/data/sources", data=good).status_code == 303
        assert "/data/sources/prowl" in client.get("/data/sources").text
    with console.enter("zhao") as auditor:
        assert "Declare a source" not in auditor.get("/data/sources").text
        assert "Change the declaration" not in auditor.get("/data/sources/prowl").text
        token = console.csrf(auditor)
        for path in ("sources", "sources/prowl/declaration", "sources/prowl/end", "hand-in/prowl"):
            answer = auditor.post(f"/data/{path}", data={"csrf": token})
            assert answer.status_code == 403, path


def test_a_declarations_secrets_are_kept_and_never_shown(console: Console, standard: str) -> None:
    wells, secret = Yard(console, "wells", Path()), "postgresql://li:Open-Sesame@db.example/land"
    form = {"title": "Wells", "standard": standard, "key": "code", "kind": "sql",
            "more": 'table = "wells"\n'}  # fmt: skip
    where = console.home.sources / "wells.secret"
    with console.enter() as client:
        csrf = console.csrf(client)
        first = {"csrf": csrf, "name": "wells", **form, "secret": secret}
        assert client.post("/data/sources", data=first).status_code == 303
        assert (where.read_text(), where.stat().st_mode & 0o777) == (f"{secret}\n", 0o600)
        page = client.get(wells.path).text
        assert "Sesame" not in page
        assert "Left empty, the present one stays." in page
        change = {**form, "title": "Springs", "seen": _seen(client, wells.path)}
        assert wells.post(client, "declaration", **change).status_code == 303
        assert where.read_text() == f"{secret}\n"
        wrong = {**change, "seen": _seen(client, wells.path), "secret": "Sesame", "title": ""}
        assert "Sesame" not in wells.post(client, "declaration", **wrong).text
        web = {**form, "seen": _seen(client, wells.path), "kind": "http", "more": "",
               "place": "https://data.example/wells?key=Sesame",
               "secret": "X-Key: Sesame"}  # fmt: skip
        assert wells.post(client, "declaration", **web).status_code == 303
        page = client.get(wells.path).text
        assert "https://data.example/wells?…" in page
        assert "Sesame" not in page
        web |= {"seen": _seen(client, wells.path), "secret": "", "title": "Wells",
                "place": "https://data.example/wells?…"}  # fmt: skip
        assert wells.post(client, "declaration", **web).status_code == 303
        assert "wells?key=Sesame" in (console.home.sources / "wells.toml").read_text()
        web |= {"seen": _seen(client, wells.path), "place": "https://elsewhere.example/"}
        away = wells.post(client, "declaration", **web)
        assert (away.status_code, "leads elsewhere" in away.text) == (400, True)
        assert where.exists()
        there = {**form, "seen": _seen(client, wells.path), "kind": "inbox", "more": ""}
        assert wells.post(client, "declaration", **there).status_code == 303
        assert not where.exists()  # nothing names it any more
        assert wells.post(client, "end", sure="on").status_code == 303


def test_what_opens_data_waits_for_a_second_person(console: Console, tmp_path: Path) -> None:
    standard = standard_of(f"{console.member}/open-yard", "Open", [("code", "text", 1)])
    (tmp_path / "open.json").write_text(standard)
    command("standard", "publish", tmp_path / "open.json", "--home", console.home.path)
    file = tmp_path / "fares.csv"
    file.write_text("code\nA1\nA2\n")
    command("source", "add", "fares", "--home", console.home.path, "kind=file", f"path={file}",
            f"standard={console.member}/open-yard", "title=Fares", "key=code")  # fmt: skip
    made = Yard(console, "fares", file)
    dataset = f"{console.member}/fares"
    with console.enter() as client, console.enter("wang") as second:
        assert "Ready to be registered" in made.run(client)
        answer = made.post(client, "register")
        sign(client, answer, console.csrf(client))
        page = client.get(made.path).text
        assert "Waits for a second person" in page
        assert "already" in made.post(client, "register").text
        assert made.console.query("catalogue", "get", dataset=dataset) is None
        console.press(second, second_of(second.get(made.path).text), back=made.path)
        assert "Ready to be registered" not in client.get(made.path).text
    assert made.console.query("catalogue", "get", dataset=dataset)["level"] == 1


def test_who_has_no_duty_sees_no_value_and_starts_nothing(yard: Callable[..., Yard]) -> None:
    made = yard("barrels")
    made.write(["B1", "x", "plain words", "2024-01-01"])
    with made.console.enter() as client:
        made.run(client)
    with made.console.enter("zhao") as auditor:
        page = auditor.get(made.path)
        assert page.status_code == 200
        assert "Run now" not in page.text
        for part in ("run", "stop", "register", "quarantine", "discard"):
            assert made.post(auditor, part).status_code == 403, part
        assert auditor.get(f"{made.path}/quarantine").status_code == 403
        assert auditor.get("/data/inbox").status_code == 403


def test_a_hostile_repair_is_refused_with_a_sentence(yard: Callable[..., Yard]) -> None:
    made = yard("kegs")
    made.write(["K1", "x", "plain words", "2024-01-01"])
    with made.console.enter() as client:
        made.run(client)
        sign(client, made.post(client, "register"), made.console.csrf(client))
        client.get(made.path)
        page = client.get(f"{made.path}/quarantine").text
        first = page.partition('id="record-')[2].partition('"')[0]
        for record, field, value, told in (
            (first, SCRIPT, "x", "there is no field"),
            ("99", "fee", "1", "not in quarantine"),
            ("x", "fee", "1", "not complete"),
            (first, "fee", "9" * 20_000, "too long"),
        ):
            form = {"record": record, "field": field, "value": value}
            answer = made.post(client, "quarantine", **form)
            assert answer.status_code == 400, told
            assert told in answer.text
            assert SCRIPT not in answer.text
        for name in ("nothing", "..%2fconfig", SCRIPT):
            assert client.get(f"/data/sources/{name}").status_code in (400, 404)


def test_what_outsiders_hand_in_is_looked_at_taken_or_destroyed(
    yard: Callable[..., Yard],
) -> None:
    made = yard("handed", kind="inbox")
    home = made.console.home
    token = command("inbox", "invite", "acme", "handed", "--home", home.path).strip()
    intake = Intake(home)
    sender = intake.sender_of(token)
    ids = []
    for name in (f"{SCRIPT[:8]}onload=x>.csv", "=cmd|' C'!A0.csv"):
        arrival = intake.begin(sender, name)
        arrival.add(b"code,fee,note,seal\nC1,5,ok,2024-01-01\n")
        arrival.complete()
        ids.append(arrival.id)
    with made.console.enter() as client:
        csrf = made.console.csrf(client)
        page = client.get("/data/inbox").text
        assert "&lt;script" in page
        assert "<scriptonload" not in page
        for upload, decision, status in (
            (ids[0], "look", 303), (ids[0], "refuse", 303), (ids[1], "take", 303),
            (ids[0], "take", 400), (ids[1], "burn", 400), ("..%2f..%2fkeys", "refuse", 404),
        ):  # fmt: skip
            data = {"csrf": csrf, "decision": decision}
            answer = client.post(f"/data/inbox/{upload}", data=data)
            assert answer.status_code == status, (upload, decision, answer.text)
        page = client.get("/data/inbox").text
        assert ids[0] not in page
        assert "accepted" in page
        assert "Ready to be registered" in made.run(client)
