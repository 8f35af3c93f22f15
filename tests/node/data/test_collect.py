"""Collect runs on a real node: from every kind of source to a registered version."""

from __future__ import annotations

import csv
import http.server
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy
from openpyxl import Workbook

from bench.population import Population
from node.cli.collect import unlocked
from node.data import source as sources
from node.data import vault
from node.data.collect import Collector
from node.data.infer import infer
from node.data.jobs.read import from_bytes
from node.data.keyring import Keyring
from node.data.worker import Limits, Refusal, Worker, WorkerError
from node.devnet import Devnet
from node.keys import load_key

Rows = list[dict[str, Any]]
STANDARD = {
    "title": "Permits",
    "fields": [
        {"name": "number", "type": "identifier"},
        {"name": "holder", "type": "person-name", "level": 3},
        {"name": "fee", "type": "amount", "unit": "CNY"},
        {"name": "issued", "type": "date"},
    ],
}
ROWS: Rows = [
    {"number": f"{i:03}", "holder": f"持有人{i}", "fee": f"{i}.50", "issued": "2024-02-03"}
    for i in range(1, 301)
]


class Bench:
    """Declares sources and runs them, each test under its own names."""

    def __init__(self, net: Devnet, command: Any, folder: Path, name: str) -> None:
        self.net, self.command, self.folder, self.name = net, command, folder, name
        self.home = net.home(net.names[0])
        self.member = net.names[0]

    def publish(self, **changes: Any) -> None:
        path = self.folder / "standard.json"
        body = {**STANDARD, "id": f"{self.member}/{self.name}", **changes}
        path.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
        self.command("standard", "publish", str(path), "--next")

    def declare(self, **values: Any) -> None:
        content = {"standard": f"{self.member}/{self.name}", "title": "Permits", **values}
        source = sources.parse(self.name, content, "test")
        (self.home.sources / f"{self.name}.toml").unlink(missing_ok=True)
        sources.save(self.home.sources, source)

    def run(self, fails: bool = False) -> Any:
        return self.command("collect", "run", self.name, fails=fails)

    def collected(self) -> Path:
        """The file of a source whose first version is registered."""
        self.publish()
        path = self.folder / "p.csv"
        write_csv(path, ROWS)
        self.declare(path=str(path))
        self.run()
        return path

    def rows(self, version: int) -> list[tuple[str | None, ...]]:
        passphrase = self.home.passphrase.read_text().strip()
        master = load_key(self.home.key("vault"), "vault", passphrase)
        folder = vault.folder_of(self.home.vault, f"{self.member}/{self.name}", version)
        opened = vault.Version(folder, Keyring(self.home.vault, master))
        opened.verify()
        return sorted(tuple(row) for row in opened.rows())


@pytest.fixture
def bench(net: Devnet, command: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    full = request.node.name
    name = "".join(c if c.isalnum() else "-" for c in full.lower()).strip("-")[:50]
    return Bench(net, command, tmp_path, f"{name}-{crc32(full.encode()):08x}")


def write_csv(path: Path, rows: Rows, encoding: str = "utf-8") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_source(path: Path, rows: Rows) -> None:
    match path.suffix:
        case ".csv":
            write_csv(path, rows, "gb18030")
        case ".tsv":
            lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
            path.write_text("\n".join(lines), encoding="utf-16")
        case ".json":
            path.write_text(json.dumps({"data": {"items": rows}}), encoding="utf-8")
        case ".yaml":
            fields = [f"  {name}: {value}" for row in rows for name, value in row.items()]
            count = len(rows[0])
            for first in range(0, len(fields), count):
                fields[first] = "- " + fields[first].lstrip()
            path.write_text("\n".join(fields), encoding="utf-8")
        case ".jsonl":
            path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        case ".xlsx":
            book = Workbook()
            sheet = book.active
            assert sheet is not None
            sheet.append(list(rows[0]))
            for row in rows:
                sheet.append(list(row.values()))
            book.save(path)


def expected(rows: Rows) -> list[tuple[str | None, ...]]:
    return sorted(tuple(row.values()) for row in rows)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".yaml", ".parquet", ".xlsx"])
def test_every_format_gives_the_same_version(bench: Bench, suffix: str) -> None:
    bench.publish()
    path = bench.folder / f"permits{suffix}"
    write_source(path, ROWS)
    bench.declare(path=str(path), key=["number"], records="data.items" if suffix == ".json" else "")
    first = bench.run()
    assert (first["state"], first["version"], first["rows"]) == ("registered", 1, 300)
    assert bench.rows(1) == expected(ROWS)
    assert bench.run()["state"] == "unchanged"
    changed = [{**row, "fee": "9.99"} if row["number"] == "007" else row for row in ROWS[:-1]]
    write_source(path, changed)
    second = bench.run()
    assert (second["version"], second["added"], second["removed"], second["changed"]) == (
        2,
        0,
        1,
        1,
    )
    assert bench.rows(2) == expected(changed)


@pytest.mark.parametrize("count", [500, pytest.param(100_000, marks=pytest.mark.campaign)])
@pytest.mark.parametrize(("kind", "key"), [("people", "record_no"), ("enterprises", "credit_code")])
def test_a_registry_goes_to_a_version_with_one_command(
    bench: Bench, kind: str, key: str, count: int
) -> None:
    rows: Rows = list(getattr(Population(5), kind)(count))
    path, name = bench.folder / "r.csv", f"{bench.member}/{bench.name}"
    write_csv(path, rows)
    bench.publish(**infer(name, "Registry", path))
    bench.declare(path=str(path), key=[key])
    first = bench.run()
    assert (first["rows"], first["refused"]) == (count, 0)
    assert first["level"] == (4 if kind == "people" else 3)
    assert bench.run()["state"] == "unchanged"
    rows[count // 2]["address"] = "北京市东城区长安街1号"
    write_csv(path, rows)
    assert bench.run()["changed"] == 1
    told = bench.command("dataset", "diff", name, "1", "2")
    assert [field[0] for each in told["records"] for field in each["fields"]] == ["address"]


def test_versions_compare_without_a_key_and_long_values_are_shortened(bench: Bench) -> None:
    path, name = bench.folder / "members.yaml", f"{bench.member}/{bench.name}"
    text = (Path(__file__).parent / "legislators.yaml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    bench.publish(**infer(name, "Members", path))
    bench.declare(path=str(path))
    assert bench.run()["level"] == 3
    old = text[text.index("phone: ") + 7 :].split("\n")[0]
    path.write_text(text.replace(old, "202-555-0199", 1), encoding="utf-8")
    bench.run()
    ask = ["dataset", "diff", name, "1", "2", "--plain", "--purpose", "test"]
    told = bench.command(*ask)
    assert (told["added"], told["removed"], told["changed"], told["key"]) == (0, 0, 1, [])
    assert "id.bioguide" in told["unique"]
    ((field, before, after),) = told["records"][0]["fields"]
    assert (field, before.replace(old, "202-555-0199", 1)) == ("terms", after)
    lines = bench.command(*ask, plain=True).splitlines()
    (line,) = [each for each in lines if "alike" in each and "terms" in each]
    assert old in line
    assert "202-555-0199" in line
    assert len(line) < 200 < len(before)
    assert any("--key id.bioguide" in each for each in lines)
    keyed = bench.command(*ask, "--key", "id.bioguide")
    assert (keyed["changed"], keyed["key"]) == (1, ["id.bioguide"])
    assert keyed["records"][0]["what"] == "changed"
    assert "have the same bio.gender" in bench.command(*ask, "--key", "bio.gender", fails=True)


def test_a_file_touched_without_news_makes_no_version(bench: Bench) -> None:
    path = bench.collected()
    write_csv(path, list(reversed(ROWS)), "utf-16")
    assert bench.run()["state"] == "unchanged"
    write_csv(path, [*ROWS, ROWS[0]])
    again = bench.run()
    assert (again["state"], again["changed"], again["rows"]) == ("registered", 1, 301)


def test_a_registration_that_comes_first_gets_its_number(bench: Bench) -> None:
    path = bench.collected()
    write_csv(path, ROWS[1:])
    passphrase = bench.home.passphrase.read_text().strip()
    chain, master = unlocked(bench.home.path, passphrase)
    others: list[dict[str, Any]] = []

    def submit(contract: str, method: str, args: dict[str, Any]) -> dict[str, Any]:
        if not others:
            others.append(chain.submit(contract, method, {**args, "commitment": os.urandom(32)}))
        return chain.submit(contract, method, args)

    source = sources.load(bench.home.sources, bench.name)
    late = Collector(bench.home, source, replace(chain, submit=submit), master)
    outcome = late.run()
    assert (outcome.state, outcome.version) == ("registered", 3)


def test_sql_incremental_reads_what_is_new_and_replaces_by_key(bench: Bench) -> None:
    bench.publish()
    base = sqlite3.connect(bench.folder / "p.db")
    base.execute("create table permits (number text, holder text, fee numeric, issued text)")
    insert = "insert into permits values (:number, :holder, :fee, :issued)"
    base.executemany(insert, ROWS)
    base.commit()
    bench.declare(
        kind="sql", url=f"sqlite:///{bench.folder / 'p.db'}", table="permits", mode="incremental",
        key=["number"], order="number", stamp="issued",
    )  # fmt: skip
    assert bench.run()["rows"] == 300
    assert bench.run()["state"] == "unchanged"
    base.execute("update permits set holder = '新人', issued = '2024-03-01' where number = '007'")
    base.execute(insert, {**ROWS[0], "number": "900", "issued": "2024-03-02"})
    base.commit()
    second = bench.run()
    assert (second["rows"], second["added"], second["changed"]) == (301, 1, 1)
    assert ("007", "新人", "7.5", "2024-03-01") in bench.rows(2)


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    """A PostgreSQL server of its own on a socket; skipped where none is installed."""
    found = [shutil.which(name) for name in ("initdb", "postgres")]
    if not all(found):
        pytest.skip("no PostgreSQL server is installed")
    # The server refuses to run as root, so root hands it to its own user.
    who = {"user": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if who:
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        subprocess.run([str(found[0]), "-D", data, "-U", "steward", "-A", "trust", "-N"],
                       check=True, capture_output=True, **who)  # type: ignore[call-overload]  # fmt: skip
        server = subprocess.Popen(
            [str(found[1]), "-D", data, "-k", folder, "-c", "listen_addresses="],
            stderr=subprocess.PIPE, text=True, **who,
        )  # type: ignore[call-overload]  # fmt: skip
        assert any("ready to accept" in line for line in server.stderr)
        threading.Thread(target=server.stderr.read, daemon=True).start()
        yield f"postgresql+psycopg://steward@/postgres?host={folder}"
        server.send_signal(signal.SIGINT)
        server.wait()


def test_postgresql_gives_typed_rows_as_text_and_what_is_new(bench: Bench, postgres: str) -> None:
    bench.publish()
    engine = sqlalchemy.create_engine(postgres)
    with engine.begin() as base:
        base.exec_driver_sql(
            "create table permits (number text primary key, holder text, fee numeric(10,2), "
            "issued date, changed timestamptz default now())"
        )
        base.execute(
            sqlalchemy.text("insert into permits values (:number, :holder, :fee, :issued)"), ROWS
        )
    secret = bench.folder / "url"
    secret.write_text(postgres)
    secret.chmod(0o600)
    bench.declare(kind="sql", url_file=str(secret), table="permits", mode="incremental",
                  key=["number"], order="number", stamp="changed", ignore=["changed"])  # fmt: skip
    assert bench.run()["rows"] == 300
    assert bench.rows(1) == expected(ROWS)
    assert bench.run()["state"] == "unchanged"
    with engine.begin() as base:
        base.exec_driver_sql(
            "update permits set fee = 9.99, changed = now() + interval '1 s' where number = '007'"
        )
    second = bench.run()
    assert (second["version"], second["changed"], second["rows"]) == (2, 1, 300)


@pytest.fixture
def site() -> Iterator[dict[str, Any]]:
    """A site of pages with validators; `broken` pages answer 500 or HTML."""
    state: dict[str, Any] = {"pages": [], "asked": [], "broken": {}, "etag": '"1"'}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = int(self.path.rpartition("=")[2]) if "=" in self.path else 1
            state["asked"].append((number, self.headers.get("If-None-Match")))
            if self.headers.get("If-None-Match") == state["etag"]:
                self.send_response(304)
                self.end_headers()
                return
            status, body = state["broken"].get(number, (200, None))
            if body is None:
                following = f"/p?page={number + 1}" if number < len(state["pages"]) else None
                body = json.dumps({"items": state["pages"][number - 1], "next": following})
            self.send_response(status)
            self.send_header("ETag", state["etag"])
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing: what was asked stands in `asked`."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state["url"] = f"http://127.0.0.1:{server.server_port}/p"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def test_http_pages_resume_where_they_broke_and_ask_conditionally(
    bench: Bench, site: dict[str, Any]
) -> None:
    bench.publish()
    site["pages"] = [ROWS[:100], ROWS[100:200], ROWS[200:]]
    site["broken"] = {3: (200, "<html>sign in</html>")}
    bench.declare(kind="http", url=site["url"], records="items", next="next", key=["number"])
    assert "begins like HTML" in bench.run(fails=True)
    site["broken"] = {3: (500, "")}
    assert "answered 500" in bench.run(fails=True)
    site["broken"], site["asked"] = {}, []
    assert bench.run()["rows"] == 300
    assert [number for number, _ in site["asked"]] == [3]
    site["asked"] = []
    assert bench.run()["state"] == "unchanged"
    assert site["asked"] == [(1, '"1"')]


def test_a_folder_takes_new_and_changed_files_and_the_later_record_wins(bench: Bench) -> None:
    bench.publish()
    folder = bench.folder / "in"
    folder.mkdir()
    write_csv(folder / "a.csv", ROWS[:100])
    bench.declare(kind="folder", path=str(folder), pattern="*.csv", key=["number"])
    assert bench.run()["rows"] == 100
    write_csv(folder / "b.csv", [{**ROWS[0], "fee": "7.00"}, *ROWS[100:]])
    second = bench.run()
    assert (second["rows"], second["added"], second["changed"]) == (300, 200, 1)
    assert bench.run()["state"] == "unchanged"


def test_refused_records_are_corrected_and_released(bench: Bench) -> None:
    bench.publish()
    rows = [dict(row) for row in ROWS]
    rows[4]["fee"] = "five"
    rows[9]["issued"] = "03/04/2024"
    path = bench.folder / "p.csv"
    write_csv(path, rows)
    bench.declare(path=str(path), key=["number"])
    first = bench.run()
    assert (first["rows"], first["refused"]) == (298, 2)
    listed = bench.command("quarantine", "list", bench.name)["records"]
    assert [(r["record"], r["field"]) for r in listed] == [(6, "fee"), (11, "issued")]
    assert "values" not in listed[0]
    home = str(bench.home.path)
    subprocess.run(
        [sys.executable, "-m", "node", "quarantine", "fix", bench.name, "6", "fee=5.50",
         "--home", home], check=True, capture_output=True,
    )  # fmt: skip
    released = bench.command("quarantine", "release", bench.name)
    assert (released["version"], released["rows"], released["refused"]) == (2, 299, 1)
    assert expected([ROWS[4]])[0] in bench.rows(2)
    assert bench.run()["state"] == "unchanged"
    rows[20]["fee"] = "1.00"
    write_csv(path, rows)
    assert bench.run()["rows"] == 299


def test_drift_is_told_and_nothing_is_registered(bench: Bench) -> None:
    path = bench.collected()
    write_csv(path, [{**row, "fees": row["fee"]} for row in ROWS])
    assert "'fees'" in bench.run(fails=True)
    write_csv(path, [{k: v for k, v in row.items() if k != "fee"} for row in ROWS])
    assert "no column 'fee'" in bench.run(fails=True)
    assert bench.command("dataset", "show", f"{bench.member}/{bench.name}")["version"] == 1


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
@pytest.mark.parametrize("mib", [96, pytest.param(1_024, marks=pytest.mark.campaign)])
def test_one_endless_line_is_refused_in_bounded_memory(bench: Bench, suffix: str, mib: int) -> None:
    """Up to a gigabyte without a line break: a worker says so, or ends at its limit of memory."""
    bench.publish()
    path = bench.folder / f"line{suffix}"
    with path.open("wb") as file:
        file.write(b"number,holder,fee,issued\n1," if suffix == ".csv" else b'{"number": "')
        for _ in range(mib // 16):
            file.write(b"x" * (16 << 20))
    bench.declare(path=str(path))
    said = bench.run(fails=True)
    path.unlink()
    assert any(word in said for word in ("MiB", "longer than", "not JSON")), said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "alias in line 2"),
        ("- {a: 1, a: 2}", "a key twice"),
        ("- !!python/object/apply:os.system [echo]", "not-object"),
        ('- "not a record"', "not-object"),
        ("- " + "[" * 40 + "]" * 40, "deeper"),
        ("- {a: [", "not YAML"),
        ("a: 1", "not an array of records"),
        ("- a: 007\n  b: 1.10\n  c: no\n  d: 2024-02-03\n  e:\n", ""),
    ],
)
def test_yaml_keeps_text_and_refuses_what_grows(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    source: Any = {"kind": "file", "path": str(path)}
    args: Any = {"source": source, "cursor": None, "columns": list("abcde"), "validators": {}}
    with Worker("read", args) as worker:
        if said and "object" not in said:
            with pytest.raises(Refusal, match=said):
                list(worker.frames())
            return
        (chunk,) = (frame for frame in worker.frames() if frame[0] == "chunk")
    rows = from_bytes(chunk[1]).to_pylist()
    if said:
        assert (rows, [problem for _, problem in chunk[2]]) == ([], [said])
    else:
        assert list(rows[0].values())[1:] == ["007", "1.10", "no", "2024-02-03", ""]


def test_a_crashing_parser_kills_a_worker_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bench.folder / "deep.json"
    path.write_text("[" * 200_000)
    source: Any = {"kind": "file", "path": str(path)}
    args: Any = {"source": source, "cursor": None, "columns": ["a"], "validators": {}}
    with Worker("read", args) as worker, pytest.raises(Exception, match="not JSON"):
        list(worker.frames())
    path.write_text(json.dumps([{"a": "x" * 1000} for _ in range(100_000)]))
    with (
        Worker("read", args, Limits(memory_bytes=400 << 20)) as worker,
        pytest.raises(Exception, match=r"needs more than|crashed|killed|failed"),
    ):
        list(worker.frames())
    with Worker("read", args, Limits()) as worker:
        os.kill(worker.pid, signal.SIGSEGV)
        with pytest.raises(WorkerError, match="SIGSEGV"):
            list(worker.frames())


def test_killed_twenty_times_a_run_ends_with_one_version(bench: Bench) -> None:
    """Each try is killed at a random moment of its life; one is let through at the end."""
    population = list(Population(7).people(30_000))
    path = bench.folder / "people.jsonl"
    path.write_text("\n".join(map(json.dumps, population)), encoding="utf-8")
    fields = [{"name": name, "type": "text", "level": 3} for name in population[0]]
    bench.publish(fields=fields)
    bench.declare(path=str(path), key=["record_no"])
    random = Random(11)
    home = str(bench.home.path)
    ended = 0
    for _ in range(20):
        child = subprocess.Popen(
            [sys.executable, "-m", "node", "collect", "run", bench.name, "--home", home, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            child.communicate(timeout=random.uniform(0.3, 3.0))
            ended += 1
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
    assert ended < 20
    bench.run()
    name = f"{bench.member}/{bench.name}"
    assert bench.command("dataset", "show", name)["latest"] == 1
    assert bench.rows(1) == sorted(tuple(row.values()) for row in population)
    assert not (bench.home.path / "collect" / bench.name / "run").exists()
