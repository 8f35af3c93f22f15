"""Sums over members, under their commitments: joined by people, carried on by their processes.

A run goes as the contract `sums` says. Once all have committed to their shares, members ask each
other for them on streams of the service `compute`:

    ["shares", run]  ->  ["shares", [[member, share]...]]        or ["refused", code, sentence]

Whoever has a share passes it on: it is held against the digest on the chain, so it does not matter
whom it comes from, and a member that shows its share to some only has shown it to all. What is not
here after half of the last term counts as missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from consensus.codec import (
    DecodeError,
    Value,
    encode,
    expect_bytes,
    expect_list,
    expect_text,
)
from consensus.crypto import sha256
from node.data.access import AccessLog
from node.data.chain import Chain
from node.data.custody import Custody
from node.data.privacy import secure_sum
from node.data.privacy.group import SCALAR_BYTES
from node.data.privacy.secure_sum import MAX_SHARE_BYTES, Secret, Share
from node.data.sealing import Sealer, derive, destroy_file
from node.data.worker import Refusal, Worker, WorkerError
from node.errors import MunimentError
from node.exchange.streams import DataSocket, StreamError
from node.exchange.watch import NotServedError
from node.home import Home

NAME = "sums"
MAX_MEMBERS = 16
MAX_MESSAGE_BYTES = 2 * MAX_MEMBERS * MAX_SHARE_BYTES
PATIENCE_S = 30.0
BATCH = 4_096

log = structlog.get_logger("exchange")


class SumError(MunimentError):
    """A sum that cannot be joined, or is not to be had."""

    code = "sum"


class Summer:
    """One member's part in sums. What it keeps is sealed under `master`."""

    def __init__(self, home: Home, chain: Chain, master: bytes) -> None:
        self._home, self._chain, self._master = home, chain, master
        self._folder = home.path / "answers"
        self._sealer = Sealer(derive(master, "sums"))

    def run(self, number: int) -> dict[str, Any]:
        """Raises SumError if there is none."""
        found: dict[str, Any] | None = self._chain.query(NAME, "get", {"run": number})
        if found is None:
            raise SumError(f"there is no sum {number}")
        return found

    # Join

    def join(self, number: int, dataset: str, version: int, field: int | None, who: str) -> None:
        """Commit to the sum of a column of an own version, or its count of records. Raises.

        What is committed to is kept first: a run that was killed commits to the same.
        """
        run = self.run(number)
        if self._chain.member not in run["members"]:
            raise SumError(f"sum {number} is among {', '.join(run['members'])}")
        if self._secret(number) is None:
            amount = self._amount(run, dataset, version, field, who)
            made = secure_sum.choose(amount, os.urandom)
            self._write(number, "secret", [made.number, made.blinding.to_bytes(SCALAR_BYTES, "big"),
                                           os.urandom(32)])  # fmt: skip
        kept = self._secret(number)
        assert kept is not None
        secret, key = kept
        args = {
            "run": number,
            "dataset": dataset,
            "version": version,
            "field": field,
            "commitment": secret.commitment,
            "key": key.public_key().public_bytes_raw(),
        }
        self._chain.submit(NAME, "join", args)

    def _amount(
        self, run: dict[str, Any], dataset: str, version: int, field: int | None, who: str
    ) -> int:
        opened = Custody(self._home, self._chain, self._master).open(dataset, version)
        rows = opened.head.rows
        log = AccessLog(self._home.vault, self._master)
        log.note(who, dataset, version, (1, rows), f"sum {run['id']}: {run['label']}")
        if field is None:
            return rows - len(opened.erased())
        values = (row[field] for row in opened.rows())
        texts = (value for value in values if value is not None)
        with Worker("total", {"decimals": run["decimals"]}) as worker:
            worker.feed(_batches(texts))
            try:
                for frame in worker.frames():
                    match frame:
                        case ["total", str(total)]:
                            return int(total)
            except Refusal as error:
                raise SumError(error.message) from error
        raise WorkerError("the worker for total sent no sum")

    def _secret(self, number: int) -> tuple[Secret, X25519PrivateKey] | None:
        found: Any = self._read(number, "secret")
        if found is None:
            return None
        amount, blinding, key = found
        return Secret(amount, int.from_bytes(blinding, "big")), X25519PrivateKey.from_private_bytes(
            key
        )

    # Share

    def _share(self, run: dict[str, Any]) -> bytes:
        """The own share; the same again whenever it is made."""
        kept = self._secret(run["id"])
        if kept is None:
            raise SumError(f"what was committed to in sum {run['id']} is not in this home")
        secret, key = kept
        context = _context(self._chain.chain_id, run)
        pairs = {
            name: _pair(key, bytes.fromhex(row[1]))
            for name, row in run["joined"].items() if name != self._chain.member
        }  # fmt: skip
        return secure_sum.share(secret, self._chain.member, pairs, context).encode()

    def shares(self, number: int) -> dict[str, bytes]:
        """Return the shares that are here, the own among them, if they may be shown."""
        run = self.run(number)
        found = self._kept(number)
        if self._chain.member in run["shares"]:
            found[self._chain.member] = self._share(run)
        return found

    def _kept(self, number: int) -> dict[str, bytes]:
        found: Any = self._read(number, "shares")
        return {} if found is None else dict(found)

    def show(self, member: str, number: int) -> list[Value]:
        """What another member gets that asks: nothing before all are bound. NotServedError."""
        try:
            run = self.run(number)
        except SumError as error:
            raise NotServedError("denied", error.message) from error
        if member not in run["members"] or self._chain.member not in run["members"]:
            raise NotServedError("denied", f"{member} takes no part in sum {number} here")
        if run["status"] not in ("reporting", "done"):
            raise NotServedError("wrong-status", f"sum {number} is {run['status']}")
        return [[name, share] for name, share in sorted(self.shares(number).items())]

    # Carry on

    def joined(self) -> list[int]:
        """The sums that were joined here and have no result yet."""
        found = self._folder.glob("sum-*-secret")
        numbers = sorted(int(path.name.split("-")[1]) for path in found)
        return [number for number in numbers if not self._place(number, "result")[0].exists()]

    async def advance(self, socket: DataSocket, service: str, number: int, now_ms: int) -> str:
        """Do what can be done now in one run; returns its status. Raises MunimentError."""
        run = await trio.to_thread.run_sync(self.run, number)
        me = self._chain.member
        if run["status"] == "sharing" and me not in run["shares"]:
            await trio.to_thread.run_sync(self._commit_share, run)
        elif run["status"] in ("reporting", "done") and self.result(number) is None:
            missing = await self._gather(socket, service, run)
            if not missing or now_ms > run["due"] - run["window_ms"] // 2:
                named = await trio.to_thread.run_sync(self._settle, run)
                if run["status"] == "reporting" and me not in run["reports"]:
                    await trio.to_thread.run_sync(self._report, number, named)
        run = await trio.to_thread.run_sync(self.run, number)
        if run["status"] in ("void", "failed"):
            self._forget(number)
        return str(run["status"])

    def _forget(self, number: int) -> None:
        """Destroy what no sum needs any more."""
        path, _ = self._place(number, "secret")
        if path.exists():
            destroy_file(path)

    def _commit_share(self, run: dict[str, Any]) -> None:
        self._submit("share", run["id"], {"share": sha256(self._share(run))}, "shares")

    async def _gather(self, socket: DataSocket, service: str, run: dict[str, Any]) -> list[str]:
        """Ask the others for what is not here; returns whose shares are still missing."""
        number, me = run["id"], self._chain.member
        found = await trio.to_thread.run_sync(self._kept, number)
        for other in run["members"]:
            missing = [name for name in run["members"] if name != me and name not in found]
            if not missing:
                break
            if other != me:
                found |= await _ask(socket, service, other, run)
        await trio.to_thread.run_sync(
            self._write, number, "shares", [[name, share] for name, share in sorted(found.items())]
        )
        return [name for name in run["members"] if name != me and name not in found]

    def _report(self, number: int, named: list[str]) -> None:
        others = [name for name in named if name != self._chain.member]
        self._submit("report", number, {"named": others}, "reports")

    def _submit(self, method: str, number: int, args: dict[str, Any], word: str) -> None:
        """Take a step, unless another process of this home is quicker, or the run is over."""
        try:
            self._chain.submit(NAME, method, {"run": number, **args})
        except MunimentError:
            run = self.run(number)
            if self._chain.member not in run[word] and run["status"] in ("sharing", "reporting"):
                raise

    def _settle(self, run: dict[str, Any]) -> list[str]:
        """Work out the sum and keep it, or return whose share is missing or departs."""
        shares, commitments = _decoded(self.shares(run["id"])), _commitments(run)
        named = secure_sum.faults(shares, commitments)
        if not named:
            self._write(run["id"], "result", secure_sum.total(shares, commitments))
        return named

    def result(self, number: int) -> int | None:
        """The sum, in whole numbers of the last decimal, if it came about here."""
        found = self._read(number, "result")
        return found if isinstance(found, int) else None

    def _place(self, number: int, part: str) -> tuple[Path, str]:
        name = f"sum-{number}-{part}"
        return self._folder / name, name

    def _read(self, number: int, part: str) -> Value:
        return self._sealer.read(*self._place(number, part))

    def _write(self, number: int, part: str, value: object) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._sealer.write(*self._place(number, part), value)


def _batches(values: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for value in values:
        batch.append(value)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def _context(chain_id: bytes, run: dict[str, Any]) -> bytes:
    """What masks are bound to: a run with its members, what they committed to, and their keys."""
    rows: list[Value] = [[name, *row[:2]] for name, row in sorted(run["joined"].items())]
    return sha256(encode([chain_id, run["id"], rows]))


def _pair(key: X25519PrivateKey, other: bytes) -> bytes:
    """The secret of a pair, as X25519 (RFC 7748) has it.

    Of a key that gives none, the masks are known to all: it is as if its owner had told them.
    """
    try:
        return key.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:
        return bytes(32)


def _commitments(run: dict[str, Any]) -> dict[str, bytes]:
    return {name: bytes.fromhex(row[0]) for name, row in run["joined"].items()}


def _decoded(shares: dict[str, bytes]) -> dict[str, Share]:
    """Those that can be read; whose cannot is as good as silent, and everybody sees it alike."""
    found = {}
    for name, data in shares.items():
        try:
            found[name] = Share.decode(data)
        except DecodeError:
            log.warning("a share cannot be read", member=name)
    return found


async def _ask(
    socket: DataSocket, service: str, member: str, run: dict[str, Any]
) -> dict[str, bytes]:
    """Return the shares that a member shows: none if it is not there, or sends nonsense."""
    try:
        stream = await socket.open(member, service)
        try:
            await stream.send(["shares", run["id"]])
            return read_shares(await stream.receive(MAX_MESSAGE_BYTES, PATIENCE_S), run)
        finally:
            with trio.CancelScope(shield=True):
                await stream.end()
    except (StreamError, DecodeError) as error:
        log.info("no shares", member=member, sum=run["id"], why=str(error))
        return {}


def read_shares(message: Value, run: dict[str, Any]) -> dict[str, bytes]:
    """Return those shares of an answer that their members have bound. Raises DecodeError."""
    row = expect_list(message, "answer", max_length=3)
    if row[:1] != ["shares"] or len(row) != 2:
        raise DecodeError("no shares")
    found = {}
    for item in expect_list(row[1], "shares", max_length=MAX_MEMBERS):
        name, share = expect_list(item, "share", 2)
        data = expect_bytes(share, "share", max_length=MAX_SHARE_BYTES)
        if run["shares"].get(expect_text(name, "member", 128)) == sha256(data).hex():
            found[str(name)] = data
    return found
