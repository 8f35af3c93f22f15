"""Settings files as people write them, mistakes included."""

from __future__ import annotations

from pathlib import Path

import pytest

import config
from config.settings import MAX_FILE_BYTES

NAME = '[node]\nname = "tax"\n'


def load(folder: Path, text: str) -> config.Settings:
    file = folder / "settings.toml"
    file.write_text(text)
    return config.load(file)


def test_a_new_homes_settings_are_the_defaults(tmp_path: Path) -> None:
    listen = ("/ip4/0.0.0.0/tcp/4600", "/ip6/::/tcp/4600")
    found = load(tmp_path, config.render("tax", listen))
    assert found.node.name == "tax"
    assert found.network.listen == listen
    bare = load(tmp_path, NAME)
    assert (found.log, found.storage, found.mempool, found.consensus) == (
        bare.log, bare.storage, bare.mempool, bare.consensus
    )  # fmt: skip


def test_every_key_can_be_set(tmp_path: Path) -> None:
    text = (
        NAME + '[network]\nlisten = []\n[network.peers]\nland = ["/ip4/10.0.0.1/tcp/1"]\n'
        '[log]\nlevel = "debug"\nformat = "json"\nvotes = "v"\n[storage]\ncache_mib = 1\n'
        "archive = true\nsnapshots = false\nsnapshot_behind = 100\n"
        "[mempool]\nmax_transactions = 100\nmax_mib = 4096\n[consensus]\ndelta_ms = 60000\n"
    )
    found = load(tmp_path, text)
    assert found.network.peers == {"land": ("/ip4/10.0.0.1/tcp/1",)}
    assert (found.log.level, found.log.format, found.log.votes) == ("debug", "json", "v")
    assert (found.storage.cache_mib, found.mempool.max_transactions) == (1, 100)
    assert (found.storage.archive, found.storage.snapshots) == (True, False)
    assert found.storage.snapshot_behind == 100
    assert (found.mempool.max_mib, found.consensus.delta_ms) == (4096, 60_000)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        # Unknown keys, with the nearest known one, at both levels.
        ('[nod]\nname = "x"\n', ["unknown key nod", "did you mean node?"]),
        (NAME + "[mempool]\nmax_mb = 4\n", ["mempool.max_mb", "did you mean mempool.max_mib?"]),
        (NAME + "[log]\nzzz = 1\n", ["unknown key log.zzz", "known are level, format, votes"]),
        # A value of the wrong kind or out of bounds: key, value, what is allowed.
        (NAME + "[storage]\ncache_mib = 0\n", ["storage.cache_mib = 0", "from 1 to 65536"]),
        (NAME + "[storage]\ncache_mib = 1.5\n", ["storage.cache_mib = 1.5", "an integer"]),
        (NAME + "[storage]\ncache_mib = true\n", ["storage.cache_mib = true", "an integer"]),
        (NAME + "[storage]\narchive = 1\n", ["storage.archive = 1", "must be true or false"]),
        (NAME + '[mempool]\nmax_mib = "9"\n', ['mempool.max_mib = "9"', "from 1 to 4096"]),
        (NAME + "[mempool]\nmax_transactions = 1e9\n", ["max_transactions", "from 100 to"]),
        (NAME + "[consensus]\ndelta_ms = -1\n", ["consensus.delta_ms = -1", "from 0 to 60000"]),
        (NAME + '[log]\nlevel = "loud"\n', ['log.level = "loud"', "debug, info, warning, error"]),
        (NAME + "[log]\nformat = 1979-05-27\n", ["log.format", "text, json"]),
        (NAME + "[log]\nvotes = 7\n", ["log.votes = 7", "must be text"]),
        (NAME + '[network]\nlisten = "x"\n', ['network.listen = "x"', "a list of addresses"]),
        (NAME + "[network]\nlisten = [1]\n", ["network.listen = [1]", "/ip4/10.0.0.1/tcp/4600"]),
        (NAME + "[network]\npeers = []\n", ["network.peers = []", "from member name"]),
        (NAME + "[network.peers]\nland = 1\n", ["network.peers", "a list of addresses"]),
        ("[node]\nname = 7\n", ["node.name = 7", "must be text"]),
        ('node = "tax"\n', ["node must be a table, written [node]"]),
        ("", ["node.name is missing"]),
        # Not TOML at all.
        ("[node\n", ["is not TOML"]),
        (NAME + "x = " + "[" * 100_000, ["is not TOML"]),
        (NAME + "[node]\n", ["is not TOML"]),
    ],
)
def test_errors_name_file_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    with pytest.raises(config.SettingsError) as refused:
        load(tmp_path, text)
    message = str(refused.value)
    for part in (str(tmp_path / "settings.toml"), *parts):
        assert part in message
    assert len(message) < 1_000
    assert "\n" not in message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    with pytest.raises(config.SettingsError, match="cannot be read: No such file"):
        config.load(file)
    with pytest.raises(config.SettingsError, match="cannot be read: Is a directory"):
        config.load(tmp_path)
    file.write_bytes(b"\xff\xfe[node]")
    with pytest.raises(config.SettingsError, match="is not TOML"):
        config.load(file)
    file.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(config.SettingsError, match=f"larger than {MAX_FILE_BYTES} bytes"):
        config.load(file)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('mail_to = ["nobody"]', "mail addresses"),
        ('webhooks = ["ftp://tax.example"]', "addresses like"),
        ('smtp = "mail.example"', "HOST:PORT"),
        ('smtp_security = "perhaps"', "one of starttls, tls, none"),
    ],
)
def test_notices_are_checked(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(config.SettingsError, match=words):
        load(tmp_path, f"{NAME}\n[notices]\n{line}\n")
