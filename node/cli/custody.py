"""Commands of custody: members keep data for others, and show that they still have it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import (
    Refused,
    ask,
    connect,
    home_option,
    json_option,
    moment,
    pairs,
    passphrase_for,
    passphrase_option,
    query,
    show,
    signing_options,
    streaming,
    submit,
    table,
    where,
)
from node.cli.spans import DAY
from node.home import Home, atomic_write
from node.rpc.client import NodeError

if TYPE_CHECKING:
    from node.data.custody import Custody
    from node.exchange.streams import DataSocket

_AGREEMENT = click.argument("agreement", type=click.IntRange(1))
_VERSION = click.option("--version", type=click.IntRange(1), required=True)
_KEY_TEXT = re.compile("[0-9a-f]{64}", re.ASCII)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def custody() -> None:
    """Let another member keep data: in escrow (ciphertext) or as delegate (it delivers for you).

    \b
    muniment custody offer land/permits --to tax --mode escrow --until 2027-12-31 --home land
    muniment custody accept 1 --home tax
    muniment custody place 1 --version 3 --home land && muniment custody serve --home land
    muniment custody take 1 --version 3 --home tax && muniment custody serve --home tax
    muniment custody challenge 1 --version 3 --home land
    muniment custody answer --home tax
    muniment custody check 1 --home land
    """


# Agreements


@custody.command()
@click.argument("dataset")
@click.option("--to", "custodian", required=True, help="The member that is to keep it.")
@click.option("--mode", type=click.Choice(["escrow", "delegate"]), required=True)
@click.option("--until", type=DAY, required=True)
@signing_options
def offer(
    dataset: str,
    custodian: str,
    mode: str,
    until: int,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Offer a member custody of the versions of your DATASET."""
    args = {"dataset": dataset, "custodian": custodian, "mode": mode, "until": until}
    state = _submit(home, passphrase_file, "offer", args, operator)
    number = next(data[0] for _, name, data in state["events"] if name == "offered")
    _show({"agreement": number, **where(state)}, as_json)


@custody.command()
@_AGREEMENT
@signing_options
def accept(
    agreement: int,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Accept what was offered to you."""
    _show(
        where(_submit(home, passphrase_file, "accept", {"agreement": agreement}, operator)), as_json
    )


@custody.command()
@_AGREEMENT
@signing_options
def end(
    agreement: int,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """End an agreement, from either side, or refuse an offer; the custodian has to erase."""
    state = _submit(home, passphrase_file, "end", {"agreement": agreement}, operator)
    _show(where(state), as_json)


@custody.command()
@_AGREEMENT
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@passphrase_option
@json_option
def erase(
    agreement: int, yes: bool, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Destroy what you hold under an agreement that has ended, keys first, and attest it."""
    from node.data import vault

    found = _agreement(home, agreement)
    if found["status"] != "ended":
        raise Refused(f"agreement {agreement} is {found['status']}; it has to be ended first")
    if not yes:
        click.confirm(f"Destroy all you hold of {found['dataset']}?", abort=True, err=True)
    held = _held(home, passphrase_file)
    for row in _placements(home, agreement):
        if found["mode"] == "delegate":
            vault.erase(Home(home).vault, found["dataset"], row["version"], held.keyring)
        shutil.rmtree(_place_of(Home(home), row), ignore_errors=True)
    _show(where(_submit(home, passphrase_file, "erased", {"agreement": agreement})), as_json)


@custody.command("list")
@home_option
@json_option
def list_agreements(home: Path, as_json: bool) -> None:
    """List agreements of all members, with what is placed and held under them."""
    rows: list[dict[str, Any]] = []
    args: dict[str, Any] = {}
    while page := ask(home, "custody", "list", args):
        rows += page
        args["after"] = page[-1]["id"]
    for row in rows:
        row["placements"] = _placements(home, row["id"])
    titles = ("no", "dataset", "custodian", "mode", "status", "until", "held", "challenged")
    cells = [
        (r["id"], r["dataset"], r["custodian"], r["mode"], r["status"], moment(r["until"])[:10],
         ", ".join(f"v{p['version']}" for p in r["placements"] if p["status"] == "held"),
         ", ".join(f"v{p['version']}" for p in r["placements"] if p["challenge"]))
        for r in rows
    ]  # fmt: skip
    show(rows, as_json, lambda _: table(titles, cells))


# Handing over


@custody.command()
@_AGREEMENT
@_VERSION
@click.option("-o", "--output", type=_FOLDER, help="Write it there too, to be handed over.")
@home_option
@passphrase_option
@json_option
def place(
    agreement: int, version: int, output: Path | None, home: Path, passphrase_file: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Commit to a version's ciphertext on the chain, for the custodian to take.

    It is fetched from `custody serve`, or written to a folder and handed over. A delegate gets the
    version's key too, in a sealed envelope, and so does the supervisor.
    Do it again after records were erased: the ciphertext is another one then.
    """
    from node.cli.sealing import Anchor, seal_to, submit_sealed
    from node.envelopes.content import Content
    from node.exchange import escrow

    found = _agreement(home, agreement)
    held = _held(home, passphrase_file)
    opened = held.open(found["dataset"], version)
    if output is not None:
        escrow.copy(opened.folder, output)
    count, root = escrow.commit(output or opened.folder)
    args: dict[str, Any] = {"agreement": agreement, "version": version, "chunks": count,
                            "root": root, "envelope": None}  # fmt: skip
    envelopes: list[bytes] = []
    calls: list[Anchor] = []
    if found["mode"] == "delegate":
        key = held.keyring.get(opened.key_name)
        assert key is not None  # the version was opened with it
        fields = {"name": opened.key_name, "key": key.hex()}
        envelope, anchor = seal_to(
            Home(home), Content.create("version-key", fields), [found["custodian"]]
        )
        args["envelope"] = envelope
        envelopes, calls = [envelope], [anchor]
    passphrase = passphrase_for(Home(home), passphrase_file)
    calls.append(("custody", "place", args))
    state = submit_sealed(Home(home), passphrase, envelopes, calls, None)
    _show({"chunks": count, "root": root.hex(), **where(state)}, as_json)


@custody.command()
@_AGREEMENT
@_VERSION
@click.argument("folder", required=False, type=_FOLDER)
@home_option
@passphrase_option
@json_option
def take(
    agreement: int, version: int, folder: Path | None, home: Path, passphrase_file: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Take a version from the owner's node, or from FOLDER; check it, keep it and say so."""
    from node.data import vault
    from node.exchange import escrow

    row = _placement(home, agreement, version)
    target = _place_of(Home(home), row)
    source = folder or _fetch_version(home, row)
    count, root = escrow.commit(source)
    if (count, root.hex()) != (row["chunks"], row["root"]):
        raise Refused(f"{source} is not what the owner has placed under agreement {agreement}")
    _check_head(home, source, row)
    if row["mode"] == "delegate":
        held = _held(home, passphrase_file)
        held.keyring.put(_version_key(home, row, passphrase_file))
        vault.Version(source, held.keyring).verify()
    escrow.copy(source, target)
    if folder is None:
        shutil.rmtree(source)
    args = {"agreement": agreement, "version": version, "root": root}
    state = _submit(home, passphrase_file, "hold", args)
    _show({"kept": str(target), "chunks": count, **where(state)}, as_json)


def _fetch_version(home: Path, row: dict[str, Any]) -> Path:
    """Fetch from the owner's `custody serve`; one that was cut off goes on."""
    from node.exchange import escrow_service

    owner = row["dataset"].partition("/")[0]
    folder = Home(home).escrow / "incoming" / f"{row['agreement']}-{row['version']}"

    async def fetch(socket: DataSocket) -> None:
        await escrow_service.fetch_version(socket, owner, row, folder)

    streaming(home, fetch)
    return folder


@custody.command("serve")
@home_option
def serve_custody(home: Path) -> None:
    """Give out what you placed and what you answered to whom it is for, until stopped.

    Needs no passphrase: what it gives out is ciphertext.
    """
    import config
    from node.exchange import escrow_service

    place = Home(home)
    name = config.load(place.settings).node.name

    async def run(socket: DataSocket) -> None:
        await escrow_service.serve(
            socket,
            place,
            name,
            lambda *question: ask(home, *question),
            lambda: click.echo("serving"),
        )

    streaming(home, run)


def _check_head(home: Path, folder: Path, row: dict[str, Any]) -> None:
    from consensus.codec import DecodeError
    from node.data import vault

    args = {"dataset": row["dataset"], "version": row["version"]}
    known = query(home, "catalogue", args)["commitment"]
    try:
        is_known = vault.Head.decode((folder / "head").read_bytes()).commitment.hex() == known
    except DecodeError:
        is_known = False
    if not is_known:
        raise Refused(f"{folder} is not the version {row['version']} that is registered")


def _version_key(home: Path, row: dict[str, Any], passphrase_file: Path | None) -> dict[str, bytes]:
    """The key that the owner sealed to this delegate, by its name."""
    from node.cli.sealing import open_here

    place = Home(home)
    envelope = bytes.fromhex(row["envelope"])
    _, content = open_here(place, envelope, passphrase_for(place, passphrase_file))
    fields = dict(zip(content.names, content.values, strict=True))
    name, key = fields.get("name") or "", fields.get("key") or ""
    # A key of another name could displace one of the custodian's own.
    is_named = name.startswith(f"{row['dataset']}|{row['version']}|")
    if content.kind != "version-key" or not is_named or not _KEY_TEXT.fullmatch(key):
        raise Refused("the owner's envelope holds no key of this version")
    return {name: bytes.fromhex(key)}


# Challenges


@custody.command()
@_AGREEMENT
@_VERSION
@click.option("--blocks", type=click.IntRange(4, 100_000), default=1_000, show_default=True,
              help="Within how many blocks the answer is due.")  # fmt: skip
@signing_options
def challenge(
    agreement: int,
    version: int,
    blocks: int,
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Ask the custodian to show chunks that the next block's hash draws; owner or supervisor."""
    args = {"agreement": agreement, "version": version, "blocks": blocks}
    state = _submit(home, passphrase_file, "challenge", args, operator)
    number, *_, deadline = next(d for _, name, d in state["events"] if name == "challenged")
    _show({"challenge": number, "deadline": deadline, **where(state)}, as_json)


@custody.command()
@click.option("-o", "--output", type=_FOLDER, help="Write answers there, to be handed over.")
@home_option
@passphrase_option
@json_option
def answer(output: Path | None, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Answer every challenge that waits for you; `custody serve` gives answers to who asked.

    Run it by a timer well below the terms: silence is an event that supervisors see.
    """
    import config
    from consensus.crypto import sha256
    from node.exchange import escrow
    from node.exchange.escrow_service import answers_of

    place = Home(home)
    name = config.load(place.settings).node.name
    rows = []
    for waiting in ask(home, "custody", "waiting", {"custodian": name}):
        row = _placement(home, waiting["agreement"], waiting["version"])
        data = escrow.answer(_place_of(place, row), waiting, _seed_of(home, waiting))
        folder = output or answers_of(place)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{waiting['id']}.answer"
        atomic_write(path, data, 0o600)
        args = {"challenge": waiting["id"], "digest": sha256(data)}
        state = _submit(home, passphrase_file, "answer", args)
        rows.append({"challenge": waiting["id"], "for": waiting["by"], "file": str(path),
                     **where(state)})  # fmt: skip
    titles = ("challenge", "for", "file")
    show(rows, as_json, lambda _: table(titles, [[r[title] for title in titles] for r in rows]))


@custody.command()
@click.argument("number", metavar="CHALLENGE", type=click.IntRange(1))
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@home_option
@passphrase_option
@json_option
def check(
    number: int, file: Path | None, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Check the answer to your challenge, and say on the chain whether it passed.

    It is fetched from the custodian's node, or read from FILE.
    """
    from consensus.crypto import sha256
    from node.exchange import escrow

    found = ask(home, "custody", "challenge", {"challenge": number})
    if found is None:
        raise Refused(f"there is no challenge {number}")
    data = _fetch_answer(home, found) if file is None else _read(file)
    if sha256(data).hex() != found["digest"]:
        raise Refused("this is not the answer whose digest the custodian has posted")
    try:
        shown, why = escrow.check(data, found, _seed_of(home, found)), ""
    except escrow.EscrowError as error:
        shown, why = 0, error.message
    args = {"challenge": number, "passed": not why}
    state = _submit(home, passphrase_file, "judge", args)
    _show({"passed": not why, "chunks": shown, **({"why": why} if why else {}),
           **where(state)}, as_json)  # fmt: skip


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error


def _fetch_answer(home: Path, challenge: dict[str, Any]) -> bytes:
    from node.exchange import escrow_service

    async def fetch(socket: DataSocket) -> bytes:
        return await escrow_service.fetch_answer(socket, challenge["custodian"], challenge["id"])

    return streaming(home, fetch)


def _seed_of(home: Path, challenge: dict[str, Any]) -> bytes:
    """The digest of the block after a challenge's, waited for if it is not final yet."""
    height = challenge["height"] + 1
    with connect(home) as client:
        if client.call("status")["height"] < height:
            for _ in client.subscribe(("blocks",)):
                break
    try:
        with connect(home) as client:
            return bytes.fromhex(client.call("block.get", height=height, most=0)["digest"])
    except NodeError as error:
        raise Refused(f"block {height}, which draws the chunks, is not here: {error}") from error


# What several need


def _submit(
    home: Path, passphrase_file: Path | None, method: str, args: dict[str, Any],
    operator: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    return submit(place, passphrase, "custody", method, args, operator)


def _show(data: dict[str, Any], as_json: bool) -> None:
    show(data, as_json, lambda d: pairs(list(d.items())))


def _held(home: Path, passphrase_file: Path | None) -> Custody:
    from node.cli.vault import custody_of

    return custody_of(home, passphrase_file)


def _agreement(home: Path, number: int) -> dict[str, Any]:
    found = ask(home, "custody", "agreement", {"agreement": number})
    if found is None:
        raise Refused(f"there is no agreement {number}; see: muniment custody list")
    return dict(found)


def _placements(home: Path, agreement: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    args: dict[str, Any] = {"agreement": agreement}
    while page := ask(home, "custody", "placements", args):
        rows += page
        args["after"] = page[-1]["version"]
    return rows


def _placement(home: Path, agreement: int, version: int) -> dict[str, Any]:
    args = {"agreement": agreement, "after": version - 1}
    for row in ask(home, "custody", "placements", args):
        if row["version"] == version:
            return dict(row)
    raise Refused(f"version {version} is not placed under agreement {agreement}")


def _place_of(home: Home, row: dict[str, Any]) -> Path:
    """Where a custodian keeps a version: a delegate in its vault, escrow apart from it."""
    from node.data import vault

    base = home.vault if row["mode"] == "delegate" else home.escrow
    return vault.folder_of(base, row["dataset"], row["version"])
