"""What every page shares: the site, one visit to it, and how handlers become routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from consensus.genesis import Genesis
from node.data.notes import tell
from node.errors import MunimentError
from node.home import Home
from node.rpc.client import UNREACHABLE, NodeError
from node.web import language
from node.web.forms import FILES_AT_ONCE, GivenFile, read_form
from node.web.language import Language
from node.web.link import BUSY, Link
from node.web.live import Live
from node.web.problems import API, plain, problem
from node.web.sentences import of_entity, of_error, of_field, of_mask, of_term
from node.web.sessions import Session, Sessions, same

COOKIE = "muniment"
LANGUAGE_COOKIE, THEME_COOKIE, ZONE_COOKIE = "language", "theme", "zone"
THEMES = ("light", "dark")
BY_ITSELF = "x-by-itself"
"""A header of what a page asks without its reader, which must not keep a session alive."""


class DeskError(MunimentError):
    """The desk's process is away."""

    code = "desk"


class MissingError(MunimentError):
    """There is nothing where a path points; its page is answered with 404."""

    code = "missing"


@dataclass(frozen=True, slots=True)
class Area:
    """An entry of the site's navigation, and the duties that see it (none: everybody).

    `more` are paths of the area that do not begin with its own.
    """

    path: str
    title: str
    duties: frozenset[str] = frozenset()
    more: tuple[str, ...] = ()


@dataclass
class Site:
    """A console or portal of one member. `sessions` is None where nobody logs in."""

    home: Home
    member: str
    genesis: Genesis
    link: Link
    desk: Link
    live: Live
    areas: tuple[Area, ...]
    sessions: Sessions | None = None
    secure: bool = False
    templates: Environment = field(default_factory=lambda: _templates())
    places: anyio.CapacityLimiter = field(
        default_factory=lambda: anyio.CapacityLimiter(FILES_AT_ONCE)
    )


@dataclass
class Visit:
    """One request: who asks, in which language, with which form; what a handler works with.

    `files` are those of a form, where the page takes any; `body` is what was sent as JSON.
    """

    site: Site
    request: Request
    language: Language
    session: Session | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, GivenFile] = field(default_factory=dict)
    body: bytes = b""

    @property
    def duties(self) -> frozenset[str]:
        return self.session.duties if self.session else frozenset()

    @property
    def operator(self) -> str:
        """Who is logged in, whose name enters access logs; empty where nobody is."""
        return self.session.operator if self.session else ""

    # Questions

    def query(self, contract: str, method: str, args: dict[str, Any] | None = None) -> Any:
        return self.site.link.query(contract, method, args or {})

    def find(self, contract: str, method: str, args: dict[str, Any], missing: str) -> Any:
        """What a contract has. Raises MissingError, which says `missing`, where it has nothing."""
        found = self.query(contract, method, args)
        if found is None:
            raise MissingError(missing)
        return found

    def call(self, method: str, /, **params: Any) -> Any:
        return self.site.link.call(method, **params)

    def desk(self, method: str, /, **params: Any) -> Any:
        """Ask the desk. Raises NodeError with its sentence, MunimentError where it does not run."""
        try:
            return self.site.desk.call(method, **params)
        except NodeError as error:
            if error.code not in UNREACHABLE:
                raise
        raise DeskError(self.say(
            "The desk, which works with the department's keys, does not answer. It starts with "
            "the node; alone it is started with: muniment desk"
        ))  # fmt: skip

    def param(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def option(self, name: str, default: str = "") -> str:
        """A value of the query string, 200 characters at most."""
        return self.request.query_params.get(name, default)[:200]

    def say(self, text: str) -> str:
        return self.language.say(text)

    def told(self, error: MunimentError) -> str:
        """An error's sentence in the visitor's language."""
        return of_error(self.language, error.code, error.message)

    def term(self, name: str) -> str:
        """A purpose or basis of the table of access."""
        return of_term(self.language, name)

    def mask(self, name: str) -> str:
        return of_mask(self.language, name)

    def explained(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What has a `problem` and its `code`, with the problem in the visitor's language."""
        return {**row, "problem": of_error(self.language, row["code"], row["problem"])}

    def jobs(self) -> list[dict[str, Any]]:
        """The desk's jobs, the latest first."""
        return [self.explained(job) for job in self.desk("job.list")]

    def job(self, identity: str) -> dict[str, Any]:
        return self.explained(self.desk("job.get", job=identity))

    # Answers

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page in the visitor's language and theme."""
        return HTMLResponse(self.text(template, **values), status)

    def text(self, template: str, **values: Any) -> str:
        theme = self.request.cookies.get(THEME_COOKIE, "")
        shared = {
            "visit": self,
            "site": self.site,
            "lang": self.language,
            "live": self.site.live,
            "theme": theme if theme in THEMES else "",
            "areas": [a for a in self.site.areas if not a.duties or a.duties & self.duties],
            "csrf": self.session.csrf if self.session else "",
            "here": self.request.url.path,
            "_": self.language.say,
            "gettext": self.language.say,
            "ngettext": self.language.words.ngettext,
            "moment": self._moment,
            "size_of": self.language.size,
            "noted": lambda text: tell(text, self.say),
            "entity": lambda name: of_entity(self.say, name),
            "field_type": lambda name: of_field(self.say, name),
        }
        return self.site.templates.get_template(template).render(shared | values)

    def file(
        self, name: str, data: str | bytes, media_type: str = "application/octet-stream"
    ) -> Response:
        """A file to be loaded down under a name of plain letters."""
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(data, media_type=media_type, headers=headers)

    def see(self, path: str) -> Response:
        """Go on to another page of this site."""
        return RedirectResponse(path, 303)

    def problem(self, sentence: str, status: int = 400) -> Response:
        if self.request.url.path.startswith(API):
            return problem(status, sentence)
        return self.page("problem.html", status, sentence=sentence, missing=status == 404)

    def _moment(self, ms: int | None) -> Markup:
        """A time for people, in their zone and in UTC."""
        if not ms:
            return Markup("–")
        here, utc = self.language.moment(ms), self.language.utc(ms)
        return Markup('<time datetime="{}">{} <small>{}UTC</small></time>').format(
            self.language.utc(ms, "yyyy-MM-dd'T'HH:mm:ss'Z'"),
            here, "" if here.endswith(utc) else utc + " ",
        )  # fmt: skip


Handler = Callable[[Visit], Response]


def page(
    site: Site, path: str, handler: Handler, *, methods: Iterable[str] = ("GET",),
    duties: Iterable[str] = (), public: bool = False, files: int = 0,
) -> Route:  # fmt: skip
    """Make a route of a handler, which runs in a thread and may ask the node and wait.

    Where the site has sessions, a page that is not `public` needs one, with one of `duties` if any
    are named; a form needs its session's token. `files` is how many a form may hold.
    """
    needed = frozenset(duties)

    async def endpoint(request: Request) -> Response:
        visit = Visit(site, request, language_of(request))
        if request.method == "POST":
            if request.headers.get("content-type", "").startswith("application/json"):
                visit.body = await request.body()
            else:
                visit.form, visit.files = await read_form(request, files, site.places)
        return await anyio.to_thread.run_sync(_answer, visit, handler, needed, public)

    return Route(path, endpoint, methods=list(methods))


def language_of(request: Request) -> Language:
    """The visitor's language and zone, by cookies, else by the browser."""
    cookies, accepted = request.cookies, request.headers.get("accept-language", "")
    return language.choose(cookies.get(LANGUAGE_COOKIE), accepted, cookies.get(ZONE_COOKIE))


def _answer(visit: Visit, handler: Handler, duties: frozenset[str], public: bool) -> Response:
    request = visit.request
    try:
        _recognise(visit)
        if visit.site.sessions is not None and not public:
            if visit.session is None:
                there = request.url.path if request.method == "GET" else "/"
                return visit.see(f"/login?to={quote(there, safe='/')}")
            if duties and not duties & visit.duties:
                return visit.problem(visit.say("Your duties do not include this."), 403)
        if request.method == "POST" and not _is_own_form(visit):
            return visit.problem(visit.say("This form is too old or not from this site."), 403)
        return handler(visit)
    except NodeError as error:
        status = 503 if error.code in (*UNREACHABLE, BUSY) else 400
        return visit.problem(visit.told(error), status)
    except MissingError as error:
        return visit.problem(visit.told(error), 404)
    except MunimentError as error:
        return visit.problem(visit.told(error))


def _recognise(visit: Visit) -> None:
    token = visit.request.cookies.get(COOKIE)
    if visit.site.sessions is not None and token:
        by_person = BY_ITSELF not in visit.request.headers
        visit.session = visit.site.sessions.find(token, by_person=by_person)


def _is_own_form(visit: Visit) -> bool:
    """By the browser's word where it gives one (Fetch Metadata, W3C), and the session's token."""
    came = visit.request.headers.get("sec-fetch-site", "same-origin")
    if came not in ("same-origin", "none"):
        return False
    return visit.session is None or same(visit.form.get("csrf", ""), visit.session.csrf)


def application(site: Site, routes: list[BaseRoute], guard: Middleware) -> ASGIApp:
    """Put a site together: its pages, its static files, and answers to what goes wrong."""

    def not_found(visit: Visit) -> Response:
        _recognise(visit)
        return visit.problem(visit.say("There is no such page."), 404)

    async def on_error(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code != 404:
            return plain(request.url.path, error.status_code, error.detail, error.headers)
        # What was sent there is not read: it may be no form, or hold files.
        visit = Visit(site, request, language_of(request))
        return await anyio.to_thread.run_sync(not_found, visit)

    static = StaticFiles(directory=str(files("node.web") / "static"))
    return Starlette(
        routes=[Mount("/static", static), *routes],
        middleware=[guard],
        exception_handlers={HTTPException: on_error},
    )


def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("node.web"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.globals["hex"] = lambda text, digits=12: text[:digits]
    made.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    made.filters["trans_duty"] = lambda duty, lang: lang.say(duty)
    return made
