"""What several commands share: options, output as table or JSON, talking to the node."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unicodedata import category

import click

from node.errors import MunimentError
from node.home import Home
from node.rpc.client import Client, NodeError

if TYPE_CHECKING:
    from consensus.crypto import Signer
    from node.exchange.streams import DataSocket

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])
MAX_TABLE_WIDTH = 1_000
MAX_BLOCKS_BEHIND = 100


class Refused(MunimentError):
    """The network refused or failed what was asked."""

    code = "refused"


class Pending(Refused):
    """A transaction is on its way: it may become final, or expire."""

    code = "pending"


class Failed(Refused):
    """A transaction is final and its call failed: it never takes effect."""

    code = "failed"


def home_option(function: _F) -> _F:
    """Add --home, which defaults to $MUNIMENT_HOME."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path),
        envvar="MUNIMENT_HOME",
        required=True,
        help="The node's home folder [env: MUNIMENT_HOME].",
    )(function)


def json_option(function: _F) -> _F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(
        function
    )


def passphrase_option(function: _F) -> _F:
    """Add --passphrase-file."""
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Read the passphrase from this file (mode 0600) instead of asking.",
    )(function)


def acting_option(function: _F) -> _F:
    """Add --as."""
    return click.option(
        "--as",
        "operator",
        metavar="OPERATOR",
        help="Sign as this operator, with the key in HOME/operators, not with the member key.",
    )(function)


def signing_options(function: _F) -> _F:
    """Add what every command has that signs: --home, --passphrase-file, --as, --json."""
    for option in (json_option, acting_option, passphrase_option, home_option):
        function = option(function)
    return function


def passphrase_for(home: Home, file: Path | None, operator: str | None = None) -> str:
    """Return the passphrase; trial networks keep the member's, not an operator's, in the home."""
    from node.keys import read_passphrase

    if file is None and operator is None and home.passphrase.exists():
        file = home.passphrase
    return read_passphrase(file)


def own_name(home: Home) -> str:
    """The member whose home it is."""
    import config

    return config.load(home.settings).node.name


def connect(home: Path) -> Client:
    return Client(Home(home).socket)


def show(data: Any, as_json: bool, render: Callable[[Any], None]) -> None:
    """Print `data` as JSON, or through `render`."""
    if as_json:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        render(data)


def table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table that fits the terminal; what is read by another program is not folded.

    Cells may quote what others wrote: they are neither markup nor orders to the terminal.
    """
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def plain(cell: object) -> Text:
        return Text("".join("\ufffd" if _is_order(c) else c for c in str(cell)))

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        made.add_column(title, overflow="fold")
    for row in rows:
        made.add_row(*map(plain, row))
    width = None if sys.stdout.isatty() else MAX_TABLE_WIDTH
    Console(soft_wrap=False, width=width).print(made)


def _is_order(letter: str) -> bool:
    """Whether a letter moves or colours others, or cannot be written at all."""
    return letter not in "\n\t" and category(letter) in ("Cc", "Cf", "Cs")


def pairs(rows: Sequence[tuple[str, object]]) -> None:
    """Print names and values in two columns."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")


def moment(ms: int) -> str:
    """Return a time in UTC, to the millisecond."""
    whole = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ms // 1_000))
    return f"{whole}.{ms % 1_000:03} UTC"


def streaming(home: Path, use: Callable[[DataSocket], Awaitable[_T]]) -> _T:
    """Run `use` with a connection to the node's streams."""
    import trio

    from node.exchange import streams

    async def run() -> _T | MunimentError:
        async with streams.connect(Home(home).data_socket) as socket:
            try:
                return await use(socket)
            except MunimentError as error:  # raised here it would stand in a group of exceptions
                return error

    found = trio.run(run)
    if isinstance(found, MunimentError):
        raise found
    return found


def sees(home: Path, look: Callable[[], bool]) -> None:
    """Wait until `look` finds what another member's node has seen final, block by block."""
    if look():
        return
    with connect(home) as client:
        for _, _ in zip(range(MAX_BLOCKS_BEHIND), client.subscribe(("blocks",)), strict=False):
            if look():
                return
    raise Refused("the own node does not know of it yet; try again later")


def ask(home: Path, contract: str, method: str, args: dict[str, Any]) -> Any:
    """Return a query's answer, with byte strings in hexadecimal."""
    from node.network import bytes_as_text

    with connect(home) as client:
        return client.call(
            "state.query", contract=contract, method=method, args=bytes_as_text(args)
        )


def submit(
    home: Home, passphrase: str, contract: str, method: str, args: dict[str, Any],
    operator: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Sign and submit one call, and wait until it is final; see `submit_calls`."""
    return submit_calls(home, passphrase, [(contract, method, args)], operator)


def prepare_call(
    home: Home, passphrase: str, contract: str, method: str, args: dict[str, Any],
    operator: str | None, as_json: bool, then: str = "",
) -> None:  # fmt: skip
    """Ask for a call that a second person is to confirm, and say so; `then` is what follows it."""
    call = {"contract": contract, "method": method, "args": args}
    state = submit(home, passphrase, "operators", "prepare", call, operator)
    request = next(data[0] for _, event, data in state["events"] if event == "prepared")

    def render(data: dict[str, Any]) -> None:
        pairs(list(data.items()))
        click.echo(f"a second person confirms it: muniment operator confirm {request} --as NAME")
        if then:
            click.echo(f"then {then}")

    show({"request": request, **where(state)}, as_json, render)


def digest_of(home: Home, height: int, blocks: int) -> bytes | None:
    """Return the digest of a final block, after waiting for at most `blocks` more."""
    with Client(home.socket) as client:
        if blocks:
            heard = islice(client.subscribe(("blocks",)), blocks)
            while client.call("status")["height"] < height and next(heard, None) is not None:
                pass
        try:
            return bytes.fromhex(client.call("block.get", height=height, most=0)["digest"])
        except NodeError as error:
            if error.code == "not-found":
                return None
            raise


def submit_calls(
    home: Home, passphrase: str, calls: Sequence[tuple[str, str, dict[str, Any]]],
    operator: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Sign calls as one transaction, submit it, wait until it is final; returns its state.

    All calls take effect or none does. Signed with the member key, or with that of `operator`;
    the operator `node` is the node itself.
    Raises Refused with the reason if it is refused, expires, fails or is still on its way.
    """
    import config
    from node.network import load_genesis
    from node.transactions import sign_calls

    genesis = load_genesis(home.genesis).genesis
    name = config.load(home.settings).node.name
    with Client(home.socket, timeout_s=120.0) as client:
        if operator is None:
            signer = _member_signer(home, passphrase, client, name)
        elif operator == "node":
            signer = _member_signer(home, passphrase, client, name, "node")
        else:
            signer = operator_signer(home, passphrase, operator)
        sender = name if operator is None else f"{name}/{operator}"
        transaction = sign_calls(client, genesis.chain_id, signer, sender, calls)
        client.call("tx.submit", tx=transaction.raw.hex())
        state = client.call("tx.wait", txid=transaction.txid.hex(), timeout_ms=60_000)
    if state["state"] in ("pending", "unknown"):  # a node that restarted does not know it
        raise Pending(f"transaction {state['txid']} is not final yet; look again with muniment tx")
    if state["state"] != "final":
        raise Refused(f"transaction {state['txid']} is {state['state']}: {state['reason']}")
    if state["code"] != 0:
        contract, method, _ = calls[-1]
        raise Failed(f"{contract}.{method} failed: {state['sentence']} (tx {state['txid']})")
    return dict(state)


def _member_signer(
    home: Home, passphrase: str, client: Client, name: str, purpose: str = "member"
) -> Signer:
    """The member (or node) key that the chain knows, or the one it replaces while still good."""
    from consensus.crypto import Signer
    from node.keys import find_keys, load_key

    found = find_keys(home.keys, purpose)
    record = client.call("state.query", contract="members", method="get", args={"name": name})
    wanted = (
        []
        if record is None
        else [record[f"{purpose}_key"], record["stopping"].get(purpose, [""])[0]]
    )
    for key in map(bytes.fromhex, wanted):
        if key in found:
            return Signer(load_key(found[key], purpose, passphrase))
    if record is None:
        raise Refused(f"{name} is not a member yet; members admit it by vote")
    raise Refused(f"{home.keys} does not hold the {purpose} key that the chain knows, {wanted[0]}")


def operator_signer(home: Home, passphrase: str, operator: str) -> Signer:
    """The newest key of an operator in this home."""
    from consensus.crypto import Signer
    from node.keys import find_keys, load_key

    found = list(find_keys(home.operators / operator, "operator").values())
    if not found:
        raise Refused(f"{home.operators} has no key of {operator}; make one: muniment operator new")
    return Signer(load_key(found[-1], "operator", passphrase))


def where(state: dict[str, Any]) -> dict[str, Any]:
    """Return what a command shows of a final transaction's state."""
    return {"txid": state["txid"], "height": state["height"]}


def query(home: Path, contract: str, args: dict[str, Any]) -> dict[str, Any]:
    """Return what `get` of a contract finds. Raises Refused if that is nothing."""
    with connect(home) as client:
        found = client.call("state.query", contract=contract, method="get", args=args)
    if found is None:
        wanted = next(iter(args.values()))
        kind = "standard" if contract == "standards" else "dataset"
        raise Refused(f"{wanted!s} is not registered; list what is with: muniment {kind} list")
    return dict(found)


def parse_arguments(given: tuple[str, ...]) -> dict[str, Any]:
    """Read ARG=VALUE: JSON if it reads as JSON, hex:00ff as bytes, @FILE as a file, else text."""
    found: dict[str, Any] = {}
    for part in given:
        name, equals, value = part.partition("=")
        if not equals or not name or name in found:
            raise click.UsageError(f"{part!r} is not ARG=VALUE, or stands twice")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    if text.startswith("@"):
        return _content(Path(text[1:]))
    if text.startswith("hex:"):
        try:
            return bytes.fromhex(text[4:])
        except ValueError:
            raise click.UsageError(f"{text!r} is not hexadecimal") from None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _content(path: Path) -> Any:
    """A member card where the file is JSON, text otherwise."""
    if path.suffix == ".json":
        from node.network import load_card

        return load_card(path).to_value()
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MunimentError(f"{path} cannot be read as UTF-8 text: {error}") from error
