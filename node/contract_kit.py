"""A ledger in memory, for the authors of contracts: deploys, calls, tests, and shows faults.

Calls take the way that they take on a node (`contracts.api.Execution`), without signatures and
blocks. A test file stands beside its contract: NAME_test.star beside NAME.star. Each function in
it whose name begins with `test_` runs against a fresh ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from consensus.codec import Value as CodecValue
from consensus.codec import encode
from consensus.crypto import Kind, Signer, sha256
from consensus.validators import Parameters
from contracts import library
from contracts.api import BlockContext, Context, Execution, Failure
from contracts.codes import NAMES, Code
from contracts.engine import QueryError, query
from contracts.receipts import Event
from contracts.starlark.binding import bind, expect_type
from contracts.starlark.convert import from_codec, to_codec
from contracts.starlark.errors import Place, StarlarkError
from contracts.starlark.formatting import render as render_value
from contracts.starlark.functions import call
from contracts.starlark.host import statement
from contracts.starlark.library import UNIVERSAL
from contracts.starlark.module import Module, load
from contracts.starlark.operators import equal, items_of
from contracts.starlark.runtime import load_module
from contracts.starlark.thread import Thread
from contracts.starlark.values import Arguments, Builtin, List, Named, Value
from contracts.state import Overlay
from contracts.system import VERSIONS, contracts
from node.errors import MunimentError
from node.render import render

START = 1_767_225_600_000
"""2026-01-01 00:00 UTC."""
DAY_MS = 86_400_000
CHAIN_ID = sha256(b"local")
TEST_GAS = 200_000_000
MEMBERS = ("civil", "health", "land", "tax")
LIBRARY = Path(library.__file__).parent
SUFFIX = ".star"
TEST_SUFFIX = "_test.star"


class ContractError(MunimentError):
    """A contract's source, or a test of it, is at fault; the message may have several lines."""

    code = "contract"


class _Memory:
    """State in memory."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 100
    ) -> list[tuple[bytes, bytes]]:
        keys = sorted(k for k in self.values if k.startswith(prefix) and k > after)
        return [(key, self.values[key]) for key in keys[:limit]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call did: what it returned or why it failed, its events, the gas that it used."""

    result: CodecValue
    failure: Failure | None
    events: tuple[Event, ...]
    gas: int


class LocalLedger:
    """Members, a clock and deployed contracts, without network and disk."""

    def __init__(self, printed: list[str]) -> None:
        self.state = Overlay(_Memory())
        self.parameters = Parameters()
        self.time = START
        self.height = 1
        self.printed = printed
        for name in MEMBERS:
            self.set_member(name, "local", ("validator",), "active")

    def set_member(self, name: str, tier: str, roles: tuple[str, ...], status: str) -> None:
        record = {"name": name, "tier": tier, "parent": None, "roles": list(roles),
                  "status": status, "member_key": sha256(name.encode("utf-8"))}  # fmt: skip
        self.state.put(b"members/member/" + name.encode("utf-8"), encode(record))

    def _execution(self, sender: str) -> Execution:
        block = BlockContext(CHAIN_ID, self.height, 0, self.time, "land", self.parameters)
        txid = sha256(self.height.to_bytes(8, "big"))
        self.height += 1
        self.time += 1_000
        self.state.begin()
        made = Execution(
            block, self.state, VERSIONS[self.parameters.version], contracts.find, sender,
            sha256(sender.encode("utf-8")), txid, self.parameters.max_gas,
        )  # fmt: skip
        made.thread.printed = self.printed
        return made

    def install(self, name: str, source: str, *, is_new: bool) -> None:
        """Deploy, or upgrade to, `source`. Raises Failure."""
        ctx = Context(self._execution("governance"), contracts.CONTRACT, 0, None)
        if is_new:
            contracts.deploy(ctx, name, source)
        else:
            contracts.upgrade(ctx, name, source)

    def run(self, sender: str, contract: str, method: str, args: dict[str, CodecValue]) -> Outcome:
        """Execute one call as a transaction of its own."""
        execution = self._execution(sender)
        try:
            result = execution.run(0, None, contract, method, args)
        except Failure as failure:
            self.state.roll_back()
            return Outcome(None, failure, (), execution.thread.used)
        return Outcome(result, None, tuple(execution.events), execution.thread.used)

    def ask(self, contract: str, name: str, args: dict[str, CodecValue]) -> CodecValue:
        """Raises QueryError."""
        return query(self.state, self.parameters.version, contract, name, args)


def read_source(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"{path} cannot be read as UTF-8 text: {error}") from error


def contract_name(path: Path) -> str:
    """The name that a file's contract is deployed under unless told otherwise."""
    if path.suffix != SUFFIX or path.name.endswith(TEST_SUFFIX):
        raise ContractError(f"{path}: a contract's file is named NAME{SUFFIX}")
    return path.name.removesuffix(SUFFIX)


def check(path: Path) -> Module:
    """Load a contract as a deployment would. Raises ContractError with the place of a fault."""
    name, source = contract_name(path), read_source(path)
    sources = {name: (path, source)}
    try:
        module = load_module(name, source)
        contracts.check(name, source)
    except StarlarkError as error:
        raise ContractError(traceback_of(error, sources)) from error
    except Failure as failure:
        raise ContractError(f"{path}: {render(int(failure.code), failure.details)}") from failure
    return module


_Sources = dict[str, tuple[Path, str]]


def traceback_of(error: StarlarkError, sources: _Sources) -> str:
    """Return the calls that led to a fault, the outermost first, with their lines, and why."""
    rows = []
    for place in reversed(error.trace):
        rows.append(_place(place, sources))
    return "\n".join([*rows, f"error: {error.message}"])


def _place(place: Place, sources: _Sources) -> str:
    found = sources.get(place.module)
    if found is None:
        return f"  {place.module}, line {place.line}, in {place.function}"
    path, source = found
    rows = source.replace("\r\n", "\n").split("\n")
    text = rows[place.line - 1].strip() if place.line <= len(rows) else ""
    return f"  {path}, line {place.line}, in {place.function}\n    {text}"


# Tests


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test's name, the traceback if it failed, and what it printed."""

    __test__ = False

    name: str
    fault: str | None
    printed: tuple[str, ...]


@dataclass(slots=True)
class TestReport:
    """Results in order, and least and most gas by method."""

    __test__ = False

    results: list[TestResult] = field(default_factory=list)
    gas: dict[str, tuple[int, int]] = field(default_factory=dict)

    def note(self, method: str, gas: int) -> None:
        least, most = self.gas.get(method, (gas, gas))
        self.gas[method] = (min(least, gas), max(most, gas))


def run_tests(path: Path) -> TestReport:
    """Run the tests that stand beside a contract. Raises ContractError if they cannot start."""
    check(path)
    beside = path.with_name(contract_name(path) + TEST_SUFFIX)
    if not beside.exists():
        raise ContractError(f"{beside} is missing: tests stand beside the contract")
    sources: _Sources = {}
    report = TestReport()
    module = _load_test(_Bench(path, sources, report), beside)
    for name in [name for name in module.values if name.startswith("test_")]:
        bench = _Bench(path, sources, report)
        try:
            # A fresh module for each test: what its functions see is frozen, its ledger is not.
            bench.call(_load_test(bench, beside), name)
            fault = None
        except StarlarkError as error:
            fault = traceback_of(error, sources)
        report.results.append(TestResult(name, fault, tuple(bench.ledger.printed)))
    if not report.results:
        raise ContractError(f"{beside} has no function whose name begins with test_")
    return report


def _load_test(bench: _Bench, path: Path) -> Module:
    source = read_source(path)
    bench.sources[path.name] = (path, source)
    try:
        return load(path.name, source, bench.predeclared())
    except StarlarkError as error:
        raise ContractError(traceback_of(error, bench.sources)) from error


class _Bench:
    """One test: a fresh ledger with the contract, and what the test may call."""

    def __init__(self, path: Path, sources: _Sources, report: TestReport) -> None:
        self.path = path
        self.name = contract_name(path)
        self.sources = sources
        self.report = report
        self.ledger = LocalLedger([])
        self.last: tuple[Event, ...] = ()
        self._install(path, is_new=True)

    def predeclared(self) -> dict[str, Value]:
        functions = {
            "advance": self._advance,
            "ask": self._ask,
            "deploy": self._deploy,
            "equal": self._equal,
            "events": self._events,
            "expect": self._expect,
            "key_of": self._key_of,
            "member": self._member,
            "now": self._now,
            "refused": self._refused,
            "run": self._run,
            "signature": self._signature,
            "upgrade": self._upgrade,
        }
        return {**UNIVERSAL, **{name: Builtin(name, run) for name, run in functions.items()}}

    def call(self, module: Module, name: str) -> None:
        thread = Thread(TEST_GAS)
        thread.printed = self.ledger.printed
        call(thread, module.values[name], [], {})

    def _install(self, path: Path, *, is_new: bool, name: str | None = None) -> None:
        source = read_source(path)
        name = name or contract_name(path)
        self.sources[name] = (path, source)
        try:
            self.ledger.install(name, source, is_new=is_new)
        except Failure as failure:
            raise _fault_of(f"{path.name} is not deployed", failure) from failure

    # What tests call

    def _target(self, method: Value) -> tuple[str, str]:
        """`method`, or `contract.method` for another contract."""
        expect_type("the method", method, str, "a string")
        contract, dot, rest = method.rpartition(".")
        return (contract, rest) if dot else (self.name, method)

    def _execute(self, thread: Thread, sender: Value, method: Value, named: Named) -> Outcome:
        expect_type("the sender", sender, str, "a string")
        contract, name = self._target(method)
        args = {word: to_codec(thread, value) for word, value in named.items()}
        outcome = self.ledger.run(sender, contract, name, args)
        self.last = outcome.events
        if outcome.failure is None:
            self.report.note(f"{contract}.{name}", outcome.gas)
        return outcome

    def _run(self, thread: Thread, args: Arguments, named: Named) -> Value:
        """run(sender, method, name = value...): the call must succeed; gives what it returns."""
        sender, method = bind("run", args, {}, "sender", "method", least=2)
        outcome = self._execute(thread, sender, method, named)
        if outcome.failure is not None:
            raise _fault_of(f"{method} failed", outcome.failure)
        return from_codec(thread, outcome.result)

    def _refused(self, thread: Thread, args: Arguments, named: Named) -> Value:
        """refused(sender, method, code, name = value...): the call must fail with the code."""
        sender, method, code = bind("refused", args, {}, "sender", "method", "code", least=3)
        outcome = self._execute(thread, sender, method, named)
        if outcome.failure is None:
            raise StarlarkError(f"{method} succeeded, though {code} was expected")
        found = _code_of(outcome.failure)
        if found != code:
            raise _fault_of(f"{method} failed with {found} instead of {code}", outcome.failure)
        return None

    def _ask(self, thread: Thread, args: Arguments, named: Named) -> Value:
        """ask(query, name = value...): gives the answer."""
        (method,) = bind("ask", args, {}, "query", least=1)
        contract, name = self._target(method)
        values = {word: to_codec(thread, value) for word, value in named.items()}
        try:
            return from_codec(thread, self.ledger.ask(contract, name, values))
        except QueryError as error:
            cause = error.__cause__
            if isinstance(cause, Failure):
                raise _fault_of(f"{method} failed", cause) from error
            sentence = render(int(error.code), error.details)
            raise StarlarkError(f"{method} failed: {sentence}") from error

    def _equal(self, thread: Thread, args: Arguments, named: Named) -> Value:
        actual, wanted = bind("equal", args, named, "actual", "wanted", least=2)
        if not equal(thread, actual, wanted):
            shown = [render_value(thread, value, quoted=True) for value in (actual, wanted)]
            raise StarlarkError(f"{shown[0]} is not {shown[1]}")
        return None

    def _expect(self, thread: Thread, args: Arguments, named: Named) -> Value:
        condition, message = bind("expect", args, named, "condition", "message", least=1)
        if condition is not True:
            raise StarlarkError(f"expected: {message or 'the condition holds'}")
        return None

    def _events(self, thread: Thread, args: Arguments, named: Named) -> Value:
        """Name and data of each event of the last call."""
        bind("events", args, named)
        return List([(event.name, from_codec(thread, event.data)) for event in self.last])

    def _now(self, thread: Thread, args: Arguments, named: Named) -> Value:
        """Block time in ms UTC; each call takes a second."""
        bind("now", args, named)
        return self.ledger.time

    def _advance(self, thread: Thread, args: Arguments, named: Named) -> Value:
        days, ms, heights = bind("advance", args, named, "days", "ms", "heights")
        for part in (days, ms, heights):
            if part is not None and expect_type("advance", part, int, "an int") < 0:
                raise StarlarkError("time does not go back")
        self.ledger.time += (days or 0) * DAY_MS + (ms or 0)
        self.ledger.height += heights or 0
        return None

    def _key_of(self, thread: Thread, args: Arguments, named: Named) -> Value:
        """key_of(person): the public key of somebody who is no member."""
        (person,) = bind("key_of", args, named, "person", least=1)
        return _person(person).public_key

    def _signature(self, thread: Thread, args: Arguments, named: Named) -> Value:
        """signature(person, text): what `is_signed` of the tested contract takes."""
        person, text = bind("signature", args, named, "person", "text", least=2)
        expect_type("signature: text", text, str, "a string")
        return _person(person).sign(Kind.STATEMENT, CHAIN_ID, statement(self.name, text))

    def _member(self, thread: Thread, args: Arguments, named: Named) -> Value:
        """member(name, tier, roles, status): add a member, or change one."""
        name, tier, roles, status = bind(
            "member", args, named, "name", "tier", "roles", "status", least=1
        )
        found = ("validator",) if roles is None else tuple(items_of(thread, roles))
        self.ledger.set_member(name, tier or "local", found, status or "active")
        return None

    def _deploy(self, thread: Thread, args: Arguments, named: Named) -> Value:
        """deploy(name): deploy NAME.star, which stands beside the contract."""
        (name,) = bind("deploy", args, named, "name", least=1)
        self._install(self._beside(name), is_new=True)
        return None

    def _upgrade(self, thread: Thread, args: Arguments, named: Named) -> Value:
        """upgrade(name): replace the contract's code by that of NAME.star beside it."""
        (name,) = bind("upgrade", args, named, "name", least=1)
        self._install(self._beside(name), is_new=False, name=self.name)
        return None

    def _beside(self, name: Value) -> Path:
        expect_type("the name", name, str, "a string")
        return self.path.with_name(Path(name).name + SUFFIX)


def _code_of(failure: Failure) -> str:
    """The contract's word for a refusal, or the stable name of the ledger's code."""
    if failure.code is Code.REFUSED_BY_CONTRACT and isinstance(failure.details, list):
        return str(failure.details[1])
    return NAMES[failure.code]


def _fault_of(message: str, failure: Failure) -> StarlarkError:
    """A test's error that shows where in the contract it comes from."""
    found = StarlarkError(f"{message}: {render(int(failure.code), failure.details)}")
    if isinstance(failure.__cause__, StarlarkError):
        found.trace = list(failure.__cause__.trace)
    return found


def _person(name: Value) -> Signer:
    expect_type("the person", name, str, "a string")
    return Signer(sha256(b"person " + name.encode("utf-8")))
