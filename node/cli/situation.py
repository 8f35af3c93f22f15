"""Commands that show how things stand, once, live, or to Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from node.cli.common import connect, home_option, json_option
from node.cli.traced import open_updated
from node.rpc.client import Client
from node.trace.index import Index

DAY_MS = 24 * 60 * 60 * 1_000


@click.command()
@click.option("--live", is_flag=True, help="Stay, and show every change; Ctrl-C ends it.")
@click.option("--days", type=click.IntRange(1, 3_650), default=90, show_default=True,
              help="How far back requests, cases and orders are looked at.")  # fmt: skip
@home_option
@json_option
def situation(live: bool, days: int, home: Path, as_json: bool) -> None:
    """Show network health, traffic, requests, deliveries, alerts, cases, orders, sanctions.

    \b
    Example: muniment situation --live --home tax
    """
    from rich.console import Console
    from rich.live import Live

    from node.situation.view import render

    with closing(open_updated(home)) as index, connect(home) as client:
        follow = _follower(index, client, days)
        if as_json:
            click.echo(json.dumps(follow(), indent=2, ensure_ascii=False))
        elif not live:
            Console().print(render(follow()))
        else:
            with Live(render(follow()), screen=True, auto_refresh=False) as screen:
                for _ in client.subscribe(("blocks", "state")):
                    screen.update(render(follow()), refresh=True)


def _follower(index: Index, client: Client, days: int) -> Callable[[], dict[str, Any]]:
    """Return what gives the situation of now, each time it is called."""
    from node.situation.figures import Figures
    from node.situation.report import report

    figures, last = Figures(), index.first(time.time_ns() // 1_000_000 - days * DAY_MS) - 1

    def now() -> dict[str, Any]:
        nonlocal last
        index.update(client)
        for number, entry in index.above(last):
            figures.add(entry)
            last = number
        return report(client, figures)

    return now


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Serve /metrics there until stopped.")
@click.option("--days", type=click.IntRange(1, 3_650), default=90, show_default=True)
@home_option
def metrics(listen: str | None, days: int, home: Path) -> None:
    """Write the situation as Prometheus reads it, once or as a service.

    \b
    muniment metrics --home tax > /var/lib/node_exporter/muniment.prom
    muniment metrics --listen 127.0.0.1:9464 --home tax
    """
    from node.situation.metrics import exposition

    with closing(open_updated(home)) as index, connect(home) as client:
        follow = _follower(index, client, days)
        if listen is None:
            click.echo(exposition(follow()).decode(), nl=False)
        else:
            _serve(listen, lambda: exposition(follow()))


def _serve(listen: str, page: Callable[[], bytes]) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise click.UsageError("--listen is HOST:PORT")

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404)
                return
            body = page()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Scrapes are not worth a line each."""

    with HTTPServer((host.strip("[]"), int(port)), Handler) as server:
        click.echo(f"serving http://{host}:{server.server_port}/metrics")
        server.serve_forever()
