"""Documents that a form takes: as text in the page or as a file, with the line of what is wrong."""

from __future__ import annotations

import json
import re
from typing import Any

from node.web.console.fields import FormError, file_of
from node.web.positions import line_of
from node.web.site import Visit

MAX_DOCUMENT = 128 << 10
_PATH = re.compile(r"([A-Za-z_][\w.\[\]-]*): ", re.ASCII)


def text_of_document(visit: Visit, most: int = MAX_DOCUMENT) -> str:
    """The text of the form's file where one is chosen, else of its field. Raises FormError."""
    data = file_of(visit, "file")
    try:
        text = data.decode("utf-8-sig") if data else visit.form.get("document", "")
    except UnicodeDecodeError as error:
        raise FormError(visit.say("The file is not text in UTF-8.")) from error
    if len(text.encode()) > most:
        size = visit.language.size(most)
        raise FormError(visit.say("A document of this kind has at most %s.") % size)
    return text.replace("\r\n", "\n")


def map_of_document(visit: Visit) -> dict[str, Any]:
    """The map that a document in JSON is. Raises FormError."""
    try:
        found = json.loads(text_of_document(visit))
    except json.JSONDecodeError as error:
        where = visit.say("This is not JSON, at line %s, column %s: %s")
        raise FormError(where % (error.lineno, error.colno, error.msg)) from error
    except (ValueError, RecursionError) as error:
        raise FormError(visit.say("This is not JSON.")) from error
    if not isinstance(found, dict):
        raise FormError(visit.say("The document has to be a map: {...}"))
    return found


def with_line(visit: Visit, sentence: str, said: str, root: str = "") -> str:
    """A sentence with the line of the document that `said` is about: `root.field[2].part: ...`."""
    found = _PATH.match(said)
    path = found[1].removeprefix(root).removeprefix(".") if found else None
    line = None if path is None else line_of(text_of_document(visit), path)
    return sentence if line is None else visit.say("Line %s: %s") % (line, sentence)
