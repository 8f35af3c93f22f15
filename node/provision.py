"""Making homes: keys, journal, settings, card; and whole trial networks on one machine."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import config
from consensus.codec import DecodeError
from consensus.crypto import SEED_BYTES, Signer
from consensus.genesis import PURPOSES, TIERS, Card, Genesis, Member, expect_name
from consensus.validators import Parameters
from node.errors import MunimentError
from node.home import Home, atomic_write
from node.journal_file import JournalFile
from node.keys import SALT_BYTES, create_key, find_keys, load_key, next_path
from node.network import SignedGenesis, load_card, save_card, save_genesis
from p2p.addresses import parse_address


class ProvisionError(MunimentError):
    """A home or network cannot be made as asked."""

    code = "provision"


def make_home(
    path: Path, name: str, passphrase: str, listen: Sequence[str], announce: Sequence[str]
) -> tuple[Home, Card, Signer]:
    """Make a home with fresh keys; returns it, its card and the member's signer.

    The journal is made together with the keys: a home without one has forgotten its votes.
    """
    try:
        expect_name(name, "the member name")
        for address in (*listen, *announce):
            parse_address(address)
    except (DecodeError, ValueError) as error:
        raise ProvisionError(str(error)) from error
    home = Home(path)
    home.create()
    salt = os.urandom(SALT_BYTES)
    signers: dict[str, Signer] = {}
    for purpose in (*PURPOSES, "vault"):
        secret = os.urandom(SEED_BYTES)
        create_key(home.key(purpose), purpose, passphrase, secret, salt)
        if purpose in PURPOSES:
            signers[purpose] = Signer(secret)
    card = Card.create(name, signers, tuple(announce))
    JournalFile.create(home.journal, signers["voting"].public_key).close()
    save_card(home.card, card)
    atomic_write(home.settings, config.render(name, tuple(listen)).encode(), 0o644)
    return home, card, signers["member"]


def renew_keys(home: Home, name: str, passphrase: str, purposes: Sequence[str]) -> Card:
    """Make new keys for `purposes` beside the old ones; returns, and keeps, a card with them.

    The card proves possession of every key, so the others must still be there.
    """
    salt = os.urandom(SALT_BYTES)
    for purpose in purposes:
        secret = os.urandom(SEED_BYTES)
        create_key(next_path(home.keys, purpose), purpose, passphrase, secret, salt)
    signers = {purpose: newest_signer(home, purpose, passphrase) for purpose in PURPOSES}
    card = Card.create(name, signers, load_card(home.card).addresses)
    save_card(home.card, card)
    return card


def newest_signer(home: Home, purpose: str, passphrase: str) -> Signer:
    """The key of a purpose that was made last."""
    found = list(find_keys(home.keys, purpose).values())
    if not found:
        raise ProvisionError(
            f"{home.keys} has no {purpose} key; make one: muniment member new-keys"
        )
    return Signer(load_key(found[-1], purpose, passphrase))


def make_network(folder: Path, names: Sequence[str], parameters: Parameters) -> SignedGenesis:
    """Make a trial network: a home for each name below `folder`, genesis signed by all.

    The first of them is central and supervisor, the second a province below it, the others local
    below that one, the last also registrar; all are validators.
    Passphrases are random and kept in each home, so this is for trials only.
    """
    if len(set(names)) != len(names) or not names:
        raise ProvisionError("the members' names must be distinct, and at least one")
    homes: list[tuple[Home, Card, Signer]] = []
    for name, port in zip(names, free_ports(len(names)), strict=True):
        passphrase = secrets.token_hex(16)
        address = (f"/ip4/127.0.0.1/tcp/{port}",)
        made = make_home(folder / name, name, passphrase, address, address)
        atomic_write(made[0].passphrase, (passphrase + "\n").encode(), 0o600)
        homes.append(made)
    duties = {names[0]: {"supervisor"}}
    duties.setdefault(names[-1], set()).add("registrar")
    members = sorted(
        (
            Member(
                card,
                *_place(names, card.name),
                tuple(sorted({"validator"} | duties.get(card.name, set()))),
            )
            for _, card, _ in homes
        ),
        key=lambda member: member.name,
    )
    genesis = Genesis("trial", time.time_ns() // 1_000_000, tuple(members), parameters)
    genesis.check()
    signed = SignedGenesis(genesis, {card.name: genesis.sign(s) for _, card, s in homes})
    for home, _, _ in homes:
        save_genesis(home.genesis, signed)
    save_genesis(folder / "genesis.json", signed)
    return signed


def _place(names: Sequence[str], name: str) -> tuple[str, str | None]:
    """A member's tier and the member above it."""
    level = min(names.index(name), len(TIERS) - 1)
    return TIERS[level], names[level - 1] if level else None


def free_ports(count: int) -> list[int]:
    """Ask the system for free loopback ports; they are free until somebody takes them."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in held]
    finally:
        for each in held:
            each.close()
