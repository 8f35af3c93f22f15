"""Deployed contracts on the engine: their state, calls, faults, gas, upgrades."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.codec import encode
from contracts.api import Context, Execution, Failure
from contracts.codes import Code
from contracts.engine import QueryError, execute_block
from contracts.envelope import Call
from contracts.receipts import MAX_EVENTS
from contracts.starlark.thread import MAX_CONTRACT_CALLS
from contracts.state import Overlay
from contracts.system import VERSIONS, contracts

COUNTER = '''"""Counts."""

def setup():
    state.put("n", 0)

def add(by):
    """Add to the count; returns it."""
    n = state.get("n") + by
    state.put("n", n)
    emit("added", [ctx.sender, ctx.caller, n])
    if n > 100:
        fail("too-many", n)
    return n

def read():
    """The count."""
    return state.get("n")

method(add, by = integer(-10, 1000))
query(read)
'''


def effect(chain: Any, run: Any, *args: Any) -> None:
    """Run an effect of governance in a block of its own. Raises Failure."""
    overlay = Overlay(chain.state)
    execution = Execution(
        chain.context(), overlay, VERSIONS[1], contracts.find, "land", bytes(32), bytes(32), 0
    )
    try:
        run(Context(execution, contracts.CONTRACT, 0, None), *args)
    except Failure:
        assert execution.events == []
        raise
    finally:
        chain.state.apply(overlay.changes)
        chain.height += 1


def deploy(chain: Any, name: str, source: str) -> None:
    effect(chain, contracts.deploy, name, source)


def body(rows: str, doc: str = "Does it.", name: str = "go", extra: str = "") -> str:
    """A contract with one method without arguments."""
    inner = "\n".join("    " + row for row in rows.split("\n"))
    return f'"""A contract."""\ndef {name}():\n    """{doc}"""\n{inner}\nmethod({name})\n{extra}'


@pytest.fixture
def counter(chain: Any) -> Any:
    deploy(chain, "counter", COUNTER)
    return chain


def test_a_method_runs_on_the_contracts_own_state(counter: Any) -> None:
    receipt = counter.run("tax", "counter", "add", {"by": 7})
    assert receipt.code == Code.OK
    assert [(e.contract, e.name, e.data) for e in receipt.events] == [
        ("counter", "added", ["tax", None, 7])
    ]
    assert counter.ask("counter", "read") == 7
    assert counter.state.values[b"star/counter/n"] == encode(7)


def test_a_refusal_changes_nothing_and_carries_the_contracts_word(counter: Any) -> None:
    before = dict(counter.state.values)
    receipt = counter.run("tax", "counter", "add", {"by": 101})
    assert (receipt.code, receipt.events) == (Code.REFUSED_BY_CONTRACT, ())
    assert receipt.details == ["counter", "too-many", 101]
    assert counter.state.values == before


@pytest.mark.parametrize(
    ("args", "details"),
    [
        ({}, "by: missing"),
        ({"by": "1"}, "by: must be an integer from -10 to 1000"),
        ({"by": True}, "by: must be an integer from -10 to 1000"),
        ({"by": 1, "x": 1}, "x: unknown argument"),
    ],
)
def test_arguments_are_checked_before_the_contract_runs(
    counter: Any, args: Any, details: str
) -> None:
    receipt = counter.run("tax", "counter", "add", args)
    assert (receipt.code, receipt.details) == (Code.BAD_ARGUMENT, details)


def test_what_is_no_method_cannot_be_called(counter: Any) -> None:
    for name in ("setup", "read", "_x", "nope"):
        assert counter.run("tax", "counter", name, {}).code == Code.UNKNOWN_METHOD
    for name in ("nope", "Counter", "counter/n", ""):
        with pytest.raises(QueryError):
            counter.ask(name, "read")
    assert counter.run("tax", "nope", "add", {}).code == Code.UNKNOWN_CONTRACT


FAULTS = {
    "a fault in the code": ("return [][1]", "x:4: index 1 is out of range for length 0"),
    "a value that cannot be kept": ("state.put('k', len)", "can be neither kept nor sent"),
    "an integer above 64 bits": ("state.put('k', 1 << 64)", "outside of 64 bits"),
    "a large value": ("state.put('k', 'a' * 70000)", "65536 bytes at most"),
    "a key that is no text": ("state.put(1, 1)", "must be a string"),
    "an empty key": ("state.put('', 1)", "must have 1 to 256 bytes"),
    "a long key": ("state.get('é' * 200)", "must have 1 to 256 bytes"),
    "a map with keys of another kind": ("state.put('k', {1: 2})", "ASCII strings"),
    "a deep value": (
        "x = []\nfor i in range(20): x = [x]\nemit('e', x)", "nested deeper than 12"
    ),
    "a value in itself": ("x = []\nx.append(x)\nstate.put('k', x)", "nested deeper than 12"),
    "a wrong event name": ("emit('two words')", "visible ASCII"),
    "a wrong code": ("fail('no\\n')", "visible ASCII"),
    "a result that cannot be sent": ("return range", "can be neither kept nor sent"),
    "no such fact": ("return ctx.random", "ctx has no random"),
    "no clock": ("return ctx.now()", "ctx has no now"),
    "a declaration in a method": ("method(go)", "at the top level only"),
    "too large a page": ("state.scan('', limit = 101)", "from 1 to 100"),
    "frozen globals": ("SEEN.append(1)", "is frozen"),
    "recursion": ("go()", "there is no recursion"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_contract_fails_the_transaction_with_the_place(chain: Any, name: str) -> None:
    rows, message = FAULTS[name]
    deploy(chain, "x", body(rows, extra="SEEN = []\n"))
    before = dict(chain.state.values)
    receipt = chain.run("tax", "x", "go", {})
    assert receipt.code == Code.CONTRACT_FAULT
    assert message in receipt.details
    assert receipt.details.startswith("x:")
    assert receipt.details.isascii()
    assert chain.state.values == before


HUNGRY = {
    "loops": "for i in range(1 << 60): pass",
    "writes": "for i in range(1 << 60): state.put('k%d' % i, 'a' * 1000)",
    "reads": "for i in range(1 << 60): state.get('k')",
    "scans": "for i in range(1 << 60): state.scan('')",
    "announces": "for i in range(1 << 60): emit('e', 'a' * 2000)",
    "looks up members": "for i in range(1 << 60): ctx.member('tax')",
    "asks the ledger": "for i in range(1 << 60): ask('members', 'list')",
}


@pytest.mark.parametrize("name", HUNGRY)
def test_running_out_of_gas_fails_the_transaction_alone(counter: Any, name: str) -> None:
    deploy(counter, "hungry", body(HUNGRY[name]))
    result = counter.execute(
        counter.sign("tax", Call("counter", "add", {"by": 1}), Call("hungry", "go", {})),
        counter.sign("tax", Call("counter", "add", {"by": 2})),
    )
    limit = counter.parameters.max_gas
    assert [r.code for r in result.receipts] == [Code.OUT_OF_GAS, Code.OK]
    assert result.receipts[0].details == limit
    assert result.gas[0] == limit
    assert counter.ask("counter", "read") == 2


def test_events_are_limited(chain: Any) -> None:
    deploy(chain, "loud", body(f"for i in range({MAX_EVENTS + 1}): emit('e')"))
    assert chain.run("tax", "loud", "go", {}).code == Code.TOO_MANY_EVENTS


def test_a_block_has_gas_for_so_many_transactions(counter: Any) -> None:
    deploy(counter, "hungry", body("for i in range(1 << 60): pass"))
    hungry = [counter.sign("tax", Call("hungry", "go", {})) for _ in range(3)]
    small = counter.sign("tax", Call("counter", "add", {"by": 1}))
    plain = counter.sign("land", Call("standards", "publish", counter.standard()))
    counter.parameters = replace(counter.parameters, max_gas=400_000, max_block_gas=1_000_000)
    result = counter.execute(*hungry, small, plain)
    assert [Code(r.code) for r in result.receipts] == [
        Code.OUT_OF_GAS, Code.OUT_OF_GAS, Code.BLOCK_OUT_OF_GAS, Code.BLOCK_OUT_OF_GAS, Code.OK
    ]  # fmt: skip
    assert result.gas == (400_000, 400_000, 200_000, 0, 0)
    assert result.receipts[2].details == 200_000


def test_gas_is_a_function_of_block_and_state(counter: Any) -> None:
    """Also when the contract is loaded anew, in which case loading costs the caller nothing."""
    signed = [counter.sign("tax", Call("counter", "add", {"by": n})) for n in range(5)]
    first = execute_block(counter.state, counter.context(), signed)
    contracts._loaded.clear()
    second = execute_block(counter.state, counter.context(), signed)
    assert first.gas == second.gas
    assert all(first.gas)
    assert [r.encoded for r in first.receipts] == [r.encoded for r in second.receipts]
    assert first.changes == second.changes


# Calls between contracts


FRIEND = '''"""Calls the counter."""

def twice(by):
    """Add twice."""
    call("counter", "add", by = by)
    return [call("counter", "add", by = by), ask("counter", "read")]

def other(contract, name):
    """Call anything."""
    call(contract, name)

def look(contract, name):
    """Ask anything."""
    emit("answer", ask(contract, name))

def double():
    """Twice the count."""
    return 2 * ask("counter", "read")

method(twice, by = integer(0, 1000))
method(other, contract = slug, name = slug)
method(look, contract = slug, name = slug)
query(double)
'''


def test_a_contract_calls_another_in_the_senders_name(counter: Any) -> None:
    deploy(counter, "friend", FRIEND)
    receipt = counter.run("tax", "friend", "twice", {"by": 4})
    assert [e.data for e in receipt.events] == [["tax", "friend", 4], ["tax", "friend", 8]]
    assert counter.ask("friend", "double") == 16


def test_a_failure_in_the_called_contract_undoes_both(counter: Any) -> None:
    deploy(counter, "friend", FRIEND)
    receipt = counter.run("tax", "friend", "twice", {"by": 60})
    assert receipt.details == ["counter", "too-many", 120]
    assert counter.ask("counter", "read") == 0
    bad = counter.run("tax", "friend", "twice", {"by": 1_000})
    assert bad.code == Code.REFUSED_BY_CONTRACT


def test_a_contract_does_not_act_for_the_sender_in_the_ledgers_own_contracts(chain: Any) -> None:
    deploy(chain, "friend", FRIEND)
    for name in ("catalogue", "standards", "members", "contracts", "nope"):
        receipt = chain.run("land", "friend", "other", {"contract": name, "name": "retire"})
        assert (receipt.code, receipt.details) == (Code.UNKNOWN_CONTRACT, name)


def test_a_method_asks_the_ledgers_own_contracts(chain: Any) -> None:
    deploy(chain, "friend", FRIEND)
    receipt = chain.run("land", "friend", "look", {"contract": "members", "name": "list"})
    assert [row["name"] for row in receipt.events[0].data] == ["city", "land", "tax"]
    for contract, name, code in (
        ("members", "get", Code.BAD_ARGUMENT),
        ("members", "nope", Code.UNKNOWN_METHOD),
        ("nope", "list", Code.UNKNOWN_CONTRACT),
    ):
        found = chain.run("land", "friend", "look", {"contract": contract, "name": name})
        assert found.code == code


def test_a_contract_is_not_entered_twice(chain: Any) -> None:
    deploy(chain, "a", body("call('b', 'go')"))
    deploy(chain, "b", body("call('a', 'go')"))
    deploy(chain, "c", body("call('c', 'go')"))
    for name in ("a", "c"):
        receipt = chain.run("tax", name, "go", {})
        assert receipt.code == Code.CONTRACT_FAULT
        assert "is in a call already" in receipt.details


@pytest.mark.parametrize(("length", "is_fine"), [(MAX_CONTRACT_CALLS, True), (9, False)])
def test_calls_between_contracts_are_bounded(chain: Any, length: int, is_fine: bool) -> None:
    for n in range(length):
        rows = f"call('c{n + 1}', 'go')" if n < length - 1 else "emit('end')"
        deploy(chain, f"c{n}", body(rows))
    receipt = chain.run("tax", "c0", "go", {})
    assert (receipt.code == Code.OK) == is_fine
    assert is_fine or "contracts call each other" in receipt.details


def test_the_first_fault_is_named_however_deep_it_is(chain: Any) -> None:
    deploy(chain, "a", body("call('b', 'go')"))
    deploy(chain, "b", body("x = 1\nreturn x // 0"))
    assert chain.run("tax", "a", "go", {}).details == "b:5: division by zero"


def test_what_a_contract_sees(chain: Any) -> None:
    facts = "ctx.sender, ctx.caller, ctx.contract, ctx.height, ctx.time, ctx.epoch, ctx.txid"
    deploy(chain, "x", body(f"emit('facts', [{facts}])\nemit('member', ctx.member('city'))"))
    context = chain.context()
    receipt = chain.run("tax", "x", "go", {})
    assert receipt.events[0].data == [
        "tax", None, "x", context.height, context.timestamp, 0, receipt.txid
    ]  # fmt: skip
    assert receipt.events[1].data == {
        "name": "city", "tier": "local", "parent": "land", "status": "active",
        "roles": ["observer"],
    }  # fmt: skip


def test_state_is_scanned_in_order_and_within_its_own(chain: Any) -> None:
    rows = (
        "for k in ['b/2', 'a/1', 'b/10', 'é']: state.put(k, k)\n"
        "state.delete('a/1')\n"
        "emit('s', [state.scan('b/'), state.scan('', after = 'b/10'), state.scan('', limit = 1)])"
    )
    deploy(chain, "b", body("state.put('b/0', 0)"))
    deploy(chain, "a", body(rows))
    assert chain.run("tax", "b", "go", {}).code == Code.OK
    assert chain.run("tax", "a", "go", {}).events[0].data == [
        [["b/10", "b/10"], ["b/2", "b/2"]],
        [["b/2", "b/2"], ["é", "é"]],
        [["b/10", "b/10"]],
    ]


def test_a_query_reads_only(chain: Any) -> None:
    for rows in ("state.put('k', 1)", "emit('e')", "return ctx.time", "call('x', 'go')"):
        name = f"q{chain.height}"
        deploy(chain, name, body(rows).replace("method(go)", "query(go)"))
        with pytest.raises(QueryError) as caught:
            chain.ask(name, "go")
        assert caught.value.code is Code.CONTRACT_FAULT
        assert "in methods only" in str(caught.value.details)


def test_a_query_has_gas_too(chain: Any) -> None:
    deploy(chain, "x", body("for i in range(1 << 60): pass").replace("method(go)", "query(go)"))
    with pytest.raises(QueryError) as caught:
        chain.ask("x", "go")
    assert caught.value.code is Code.OUT_OF_GAS


# Deploy, upgrade, retire


def refusal(chain: Any, run: Any, *args: Any) -> Failure:
    before = dict(chain.state.values)
    with pytest.raises(Failure) as caught:
        effect(chain, run, *args)
    assert chain.state.values == before
    return caught.value


@pytest.mark.parametrize(
    ("name", "source", "code", "details"),
    [
        ("counter", COUNTER, Code.EXISTS, "counter"),
        ("members", COUNTER, Code.EXISTS, "members"),
        ("", COUNTER, Code.BAD_ARGUMENT, "name"),
        ("Ab", COUNTER, Code.BAD_ARGUMENT, "name"),
        ("a/b", COUNTER, Code.BAD_ARGUMENT, "name"),
        ("1a", COUNTER, Code.BAD_ARGUMENT, "name"),
        ("a" * 33, COUNTER, Code.BAD_ARGUMENT, "name"),
        ("x", "x = (", Code.BAD_SOURCE, "x:1: ( is never closed"),
        ("x", "x = [][0]", Code.BAD_SOURCE, "x:1: index 0"),
        ("x", "x = '" + "a" * 40_000 + "'", Code.BAD_SOURCE, "bytes"),
        ("x", "def f():\n    for i in range(1 << 60): pass\nf()", Code.BAD_SOURCE, "out of gas"),
        ("x", '"""Doc."""', Code.BAD_SOURCE, "no method"),
        ("x", body("pass").removeprefix('"""A contract."""\n'), Code.BAD_SOURCE, "no docstring"),
        ("x", "def f(): pass\nmethod(f)", Code.BAD_SOURCE, "a docstring"),
        ("x", "def f(a):\n    '''Doc'''\nmethod(f)", Code.BAD_SOURCE, "parameters"),
        ("x", "def f():\n    '''Doc'''\nmethod(f, a = slug)", Code.BAD_SOURCE, "parameters"),
        ("x", "def f(*a):\n    '''Doc'''\nmethod(f, a = slug)", Code.BAD_SOURCE, "parameters"),
        ("x", "def f(a):\n    '''Doc'''\nmethod(f, a = 1)", Code.BAD_SOURCE, "needs a type"),
        ("x", "def _f():\n    '''Doc'''\nmethod(_f)", Code.BAD_SOURCE, "not a name"),
        ("x", "def f():\n    '''D'''\nmethod(f)\nquery(f)", Code.BAD_SOURCE, "declared twice"),
        ("x", "method(len)", Code.BAD_SOURCE, "takes a function"),
        ("x", "state.put('a', 1)", Code.BAD_SOURCE, "in methods"),
        ("x", "x = ctx.sender", Code.BAD_SOURCE, "in methods"),
        ("x", "emit('a')", Code.BAD_SOURCE, "in methods"),
        ("x", "fail('a')", Code.BAD_SOURCE, "fail: a"),
        ("x", "t = integer(5, 1)", Code.BAD_SOURCE, "integer: high"),
        ("x", body("pass", extra="def setup(): fail('no')\n"), Code.REFUSED_BY_CONTRACT, "no"),
        ("x", body("pass", extra="def setup():\n    state.put('a', 1)\n    emit('e')\n    [][0]\n"),
         Code.CONTRACT_FAULT, "index"),
    ],
)  # fmt: skip
def test_what_cannot_be_deployed_is_refused_with_the_reason(
    counter: Any, name: str, source: str, code: Code, details: str
) -> None:
    found = refusal(counter, contracts.deploy, name, source)
    assert found.code is code
    assert details in str(found.details)


def test_an_upgrade_keeps_state_and_migrates_it(counter: Any) -> None:
    counter.run("tax", "counter", "add", {"by": 5})
    source = COUNTER.replace("state.get", "get").replace('put("n"', 'put("m"') + (
        "\ndef get(key): return state.get('m')\n"
        "def migrate(version):\n    state.put('m', 100 * state.get('n') + version)\n"
    )
    effect(counter, contracts.upgrade, "counter", source)
    assert counter.ask("counter", "read") == 501
    head = counter.ask("contracts", "get", name="counter")
    assert (head["version"], head["source"]) == (2, source)
    effect(counter, contracts.upgrade, "counter", COUNTER)
    assert counter.ask("counter", "read") == 5


def test_an_upgrade_whose_migration_fails_leaves_the_old_code_and_state(counter: Any) -> None:
    migrate = "def migrate(version):\n    state.put('n', 'broken')\n    "
    for end, code in (
        ("x = [][0]\n", Code.CONTRACT_FAULT),
        ("fail('no')\n", Code.REFUSED_BY_CONTRACT),
        ("for i in range(1 << 60): pass\n", Code.OUT_OF_GAS),
    ):
        found = refusal(counter, contracts.upgrade, "counter", COUNTER + migrate + end)
        assert found.code is code
    assert counter.run("tax", "counter", "add", {"by": 5}).code == Code.OK
    assert refusal(counter, contracts.upgrade, "nope", COUNTER).code is Code.NOT_FOUND
    assert refusal(counter, contracts.upgrade, "counter", "x").code is Code.BAD_SOURCE


def test_a_retired_contract_answers_and_takes_no_calls(counter: Any) -> None:
    counter.run("tax", "counter", "add", {"by": 5})
    effect(counter, contracts.retire, "counter")
    receipt = counter.run("tax", "counter", "add", {"by": 5})
    assert (receipt.code, receipt.details) == (Code.RETIRED, "counter")
    assert counter.ask("counter", "read") == 5
    for run, args in (
        (contracts.retire, ("counter",)),
        (contracts.upgrade, ("counter", COUNTER)),
    ):
        assert refusal(counter, run, *args).code is Code.RETIRED
    assert refusal(counter, contracts.deploy, "counter", COUNTER).code is Code.EXISTS


def test_contracts_describe_themselves(counter: Any) -> None:
    found = counter.ask("contracts", "describe", name="counter")
    assert found["doc"] == "Counts."
    assert found["methods"] == [
        {
            "name": "add",
            "doc": "Add to the count; returns it.",
            "arguments": [{"name": "by", "type": "integer(-10, 1000)", "optional": False}],
        }
    ]
    assert [row["name"] for row in found["queries"]] == ["read"]
    assert [row["name"] for row in counter.ask("contracts", "list")] == ["counter"]
    assert counter.ask("contracts", "describe", name="nope") is None


def test_so_many_contracts_and_no_more(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "MAX_CONTRACTS", 2)
    deploy(chain, "a", COUNTER)
    deploy(chain, "b", COUNTER)
    effect(chain, contracts.retire, "a")
    assert refusal(chain, contracts.deploy, "c", COUNTER).code is Code.TOO_MANY_CONTRACTS


def test_modules_that_were_dropped_from_memory_are_loaded_again(
    chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts._loaded.clear()
    monkeypatch.setattr(contracts, "MAX_LOADED", 2)
    for name in ("a", "b", "c"):
        deploy(chain, name, COUNTER)
    assert len(contracts._loaded) == 2
    for name in ("a", "b", "c"):
        assert chain.run("tax", name, "add", {"by": 3}).code == Code.OK
        assert chain.ask(name, "read") == 3
