"""What other catalogues and search engines read: DCAT-AP, robots, sitemap."""

from __future__ import annotations

from collections.abc import Callable
from xml.sax.saxutils import escape

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.data import dcat
from node.publish.shelf import TYPES
from node.web.catalogue import Record
from node.web.portal.context import Portal
from node.web.site import Site, Visit, page

Text = Callable[[Visit], Response]


def routes(site: Site, portal: Portal) -> list[BaseRoute]:
    catalogue = portal.catalogue

    def feed(visit: Visit) -> list[dcat.Statement]:
        root = _root(visit)
        rows = [_with_files(root, portal, row) for row in catalogue.all()]
        return dcat.statements(site.genesis.network, f"{root}/", rows)

    def turtle(visit: Visit) -> Response:
        return Response(dcat.to_turtle(feed(visit)), media_type="text/turtle")

    def jsonld(visit: Visit) -> Response:
        return Response(dcat.to_jsonld(feed(visit)), media_type="application/ld+json")

    def robots(visit: Visit) -> Response:
        text = f"User-agent: *\nDisallow: /api/\nSitemap: {_root(visit)}/sitemap.xml\n"
        return Response(text, media_type="text/plain")

    def sitemap(visit: Visit) -> Response:
        places = ["/", "/check", "/mine", "/hand-in", "/developers"]
        places += [f"/datasets/{row['dataset']}" for row in catalogue.all()]
        rows = "".join(f"<url><loc>{escape(_root(visit) + place)}</loc></url>" for place in places)
        space = "http://www.sitemaps.org/schemas/sitemap/0.9"
        text = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="{space}">{rows}</urlset>\n'
        return Response(text, media_type="application/xml")

    made = {"/catalogue.ttl": turtle, "/catalogue.jsonld": jsonld, "/robots.txt": robots,
            "/sitemap.xml": sitemap}  # fmt: skip
    return [page(site, path, handler, public=True) for path, handler in made.items()]


def _with_files(root: str, portal: Portal, row: Record) -> Record:
    """A registration with its page and the files that are published of it."""
    page = f"{root}/datasets/{row['dataset']}"
    made = portal.published.find(row, row["version"])
    files = [] if made is None else [
        dcat.Download(f"{page}/{made.version}/records.{name}", kind.partition(";")[0],
                      made.files[name].bytes, made.time)
        for name, kind in TYPES.items()
    ]  # fmt: skip
    return {**row, "page": page, "downloads": files}


def _root(visit: Visit) -> str:
    """Where this portal is, as its visitor calls it; the guard has checked the name."""
    url = visit.request.url
    return f"{url.scheme}://{url.netloc}"
