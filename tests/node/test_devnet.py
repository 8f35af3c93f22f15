"""Real processes: a stopped quorum, a second start, a stranger at the door, hostile RPC lines."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from node.devnet import Devnet
from node.rpc.client import Client, NodeError
from node.rpc.server import MAX_LINE_BYTES
from node.rpc.unix import is_allowed


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    made = Devnet.create(tmp_path_factory.mktemp("devnet") / "net", 4)
    made.start(*made.names)
    for name in made.names:
        made.wait(name, lambda s: s["peers"] == 3)
    yield made
    made.down()


def command(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node", *args], capture_output=True, text=True, check=False
    )


def test_second_start_is_refused(net: Devnet) -> None:
    done = command("start", "--home", str(net.home("tax").path))
    assert done.returncode == 1
    assert "is in use by the node with pid" in done.stderr


def publish(net: Devnet, name: str) -> subprocess.Popen[str]:
    """Begin to publish a standard at tax; the process ends when it is final."""
    file = net.folder / f"{name}.json"
    fields = [{"name": "a", "type": "text"}]
    file.write_text(json.dumps({"id": f"tax/{name}", "title": "A", "fields": fields}))
    return subprocess.Popen(
        [sys.executable, "-m", "node", "standard", "publish", str(file),
         "--home", str(net.home("tax").path), "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_two_of_four_down_stop_the_chain_and_the_third_resumes_it(net: Devnet) -> None:
    net.kill("civil")
    net.kill("land")
    status = net.wait("tax", lambda s: s["state"] == "no quorum", timeout_s=15)
    shown = command("status", "--home", str(net.home("tax").path))
    assert "nothing becomes final until some return" in shown.stdout
    waiting = publish(net, "resumed")
    net.wait("tax", lambda s: s["mempool"]["count"] == 1)
    net.start("civil")
    out, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    assert json.loads(out)["height"] > status["height"]
    net.start("land")
    top = net.wait("tax", lambda s: s["mempool"]["count"] == 0)
    roots = {net.wait(n, lambda s: s["height"] >= top["height"])["state_root"] for n in net.names}
    assert len(roots) == 1


@pytest.mark.campaign
@pytest.mark.parametrize("outage_s", [1, 20, 50])
def test_the_chain_resumes_within_five_seconds(net: Devnet, outage_s: int) -> None:
    """However long the quorum was missing: timeouts that grew meanwhile must not delay it."""
    net.kill("civil")
    net.kill("land")
    net.wait("tax", lambda s: s["state"] == "no quorum")
    waiting = publish(net, f"out-{outage_s}")
    net.wait("tax", lambda s: s["mempool"]["count"] == 1)
    threading.Event().wait(outage_s)
    assert net.wait("tax", lambda s: s["mempool"]["count"] == 1)["state"] == "no quorum"
    begun = time.monotonic()
    net.start("civil")
    answered = time.monotonic()
    net.wait("tax", lambda s: s["mempool"]["count"] == 0)
    took = time.monotonic() - answered
    net.start("land")
    assert waiting.wait(30) == 0
    print(f"{outage_s} s out: started in {answered - begun:.1f} s, {took:.1f} s more")
    assert took < 5


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"[" * 5_000, -32700),
        (b"\xff\xfe", -32700),
        (b"[]", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"nothing"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":[]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tx.get","params":{"txid":"zz"}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"block.get","params":{"height":-1}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tx.submit","params":{"tx":"00"}}', -32000),
    ],
)
def test_hostile_rpc_lines_get_an_error_and_the_session_lives(
    net: Devnet, line: bytes, code: int
) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(str(net.home("tax").socket))
        file = raw.makefile("rb")
        raw.sendall(line + b"\n")
        answer = json.loads(file.readline())
        assert answer["error"]["code"] == code
        assert answer["error"]["data"]["code"]
        raw.sendall(b'{"jsonrpc":"2.0","id":2,"method":"status"}\n')
        assert json.loads(file.readline())["result"]["name"] == "tax"


def test_only_the_nodes_own_user_reaches_its_sockets(net: Devnet) -> None:
    home = net.home("tax")
    for path in (home.socket, home.data_socket):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert is_allowed(os.getuid())
    assert is_allowed(0)
    assert not is_allowed(os.getuid() + 1)


def test_an_endless_rpc_line_ends_its_session_and_nothing_else(net: Devnet) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(30)
        raw.connect(str(net.home("tax").socket))
        file = raw.makefile("rb")
        piece = b"x" * (1 << 20)
        try:
            for _ in range(MAX_LINE_BYTES // len(piece) + 1):
                raw.sendall(piece)
        except BrokenPipeError:
            pass  # it has heard enough
        answer = json.loads(file.readline())
        assert answer["error"]["data"]["code"] == "too-long"
        assert file.readline() == b""
    with Client(net.home("tax").socket) as client:
        assert client.call("status")["name"] == "tax"


def test_bytes_on_the_network_port_do_not_stop_the_node(net: Devnet) -> None:
    net.wait("tax", lambda s: s["peers"] == 3)
    with Client(net.home("tax").socket) as client:
        address = client.call("status")["listening"][0]
        port = int(address.rpartition("/")[2])
        for hostile in (b"GET / HTTP/1.0\r\n\r\n", b"\x00" * 4096, b"\xff" * 70_000):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
                try:
                    raw.sendall(hostile)
                except OSError:
                    continue  # closed on us already, which is the point
        assert client.call("status")["peers"] == 3


def test_refusals_reach_the_user(net: Devnet) -> None:
    with Client(net.home("tax").socket) as client, pytest.raises(NodeError) as refused:
        client.call("state.query", contract="catalogue", method="get", args={"dataset": 7})
    assert refused.value.code == "bad-argument"
    done = command("dataset", "show", "tax/none", "--home", str(net.home("tax").path))
    assert done.returncode == 1
    assert "not registered" in done.stderr
    for content, problem in (("a,b\n1,2,3\n", "row 2"), ("a,a\n1,2\n", "twice"), ("", "row 1")):
        file = net.folder / "bad.csv"
        file.write_text(content)
        done = command("dataset", "register", str(file), "--title", "x",
                       "--home", str(net.home("tax").path))  # fmt: skip
        assert done.returncode == 1
        assert problem in done.stderr
