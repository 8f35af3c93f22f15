"""The process that serves a member's pages: one listener each for console and portal."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import ASGIFramework
from starlette.types import ASGIApp

import config
from config.settings import Console as ConsoleSettings
from config.settings import Portal as PortalSettings
from node.errors import MunimentError, alone
from node.home import Home
from node.network import load_genesis
from node.web import console, portal
from node.web.link import Link
from node.web.live import Live
from node.web.sessions import Sessions
from node.web.site import Site

Listener = ConsoleSettings | PortalSettings
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
KEEP_ALIVE_S = 30
GRACE_S = 1.0

log = structlog.get_logger("web")


class WebError(MunimentError):
    """The pages cannot be served; the message says what to change."""

    code = "web"


async def run(home: Home, told: Callable[[str, str], None]) -> None:
    """Serve what the settings turn on until SIGTERM or SIGINT; `told` gets names and addresses."""
    settings = config.load(home.settings)
    sites: dict[str, Listener] = {"console": settings.console, "portal": settings.portal}
    wanted = [(name, found) for name, found in sites.items() if found.serve]
    if not wanted:
        raise WebError(f"{home.settings}: set console.serve or portal.serve to true first")
    for name, found in wanted:
        _check(home, name, found)
    link, desk = Link(home.socket), Link(home.desk_socket)
    live = Live(home, link)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_on_signal, stop)
        await nursery.start(live.run)
        for name, found in wanted:
            app = _application(home, settings.node.name, link, desk, live, found)
            await _listen(nursery, found, app, stop, name, told)
        await stop.wait()
        with trio.move_on_after(GRACE_S):
            await trio.sleep_forever()
        nursery.cancel_scope.cancel()
    link.close()
    desk.close()


def _application(
    home: Home, member: str, link: Link, desk: Link, live: Live, settings: Listener
) -> ASGIApp:
    genesis, secure = load_genesis(home.genesis).genesis, bool(settings.tls_certificate)
    hosts = frozenset((*LOOPBACK, _host(settings.listen), *settings.names))
    if isinstance(settings, PortalSettings):
        site = Site(home, member, genesis, link, desk, live, portal.AREAS, secure=secure)
        return portal.build(site, hosts)
    sessions = Sessions(home, member, link, settings.session_minutes * 60.0)
    site = Site(home, member, genesis, link, desk, live, console.AREAS, sessions, secure)
    return console.build(site, hosts)


async def _listen(
    nursery: trio.Nursery, settings: Listener, app: ASGIApp, stop: trio.Event, name: str,
    told: Callable[[str, str], None],
) -> None:  # fmt: skip
    made = Config()
    made.bind = [settings.listen]
    made.keep_alive_timeout = KEEP_ALIVE_S
    made.graceful_timeout = GRACE_S
    made.include_server_header = False
    made.accesslog = None
    if settings.tls_certificate:
        made.certfile, made.keyfile = settings.tls_certificate, settings.tls_key
    framework: ASGIFramework = app  # type: ignore[assignment]
    try:
        with alone(OSError):
            bound = await nursery.start(
                partial(serve, framework, made, shutdown_trigger=stop.wait, mode="asgi")
            )
    except OSError as error:
        raise WebError(
            f"{name}.listen = {settings.listen}: {error}; choose another address"
        ) from error
    told(name, bound[0])


def _check(home: Home, name: str, settings: Listener) -> None:
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise WebError(f"{home.settings}: {name}.tls_certificate and {name}.tls_key go together")
    if not settings.tls_certificate and f"{_host(settings.listen)}" not in LOOPBACK:
        raise WebError(
            f"{home.settings}: {name}.listen = {settings.listen} is not loopback, which needs "
            f"{name}.tls_certificate and {name}.tls_key"
        )
    for path in filter(None, (settings.tls_certificate, settings.tls_key)):
        if not Path(path).is_file():
            raise WebError(f"{home.settings}: {path} is missing")


def _host(listen: str) -> str:
    return listen.rpartition(":")[0]


async def _stop_on_signal(stop: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            stop.set()
            return
