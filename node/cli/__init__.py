"""The command `muniment`. Each command's module is loaded only when it is run."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from node.errors import MunimentError, trace_of
from node.tether import follow

_COMMANDS = {
    "init": ("node.cli.setup", "Make a home with new keys and print its card."),
    "card": ("node.cli.setup", "Print a home's public member card."),
    "network": ("node.cli.setup", "Assemble and sign a genesis, or make a trial network."),
    "start": ("node.cli.running", "Run the node of a home until stopped."),
    "status": ("node.cli.running", "Show how the node is doing."),
    "peers": ("node.cli.running", "Show the other members' nodes."),
    "block": ("node.cli.running", "Show a block."),
    "tx": ("node.cli.running", "Show what became of a transaction."),
    "evidence": ("node.cli.running", "Show contradictions of validators that were seen."),
    "watch": ("node.cli.running", "Follow blocks, transactions or events live."),
    "standard": ("node.cli.standard", "Write, check, publish and look up data standards."),
    "dataset": ("node.cli.data", "Register and look up datasets."),
    "source": ("node.cli.collect", "Declare where data comes from."),
    "collect": ("node.cli.collect", "Collect declared sources into registered versions."),
    "quarantine": ("node.cli.collect", "See, correct and release refused records."),
    "classify": ("node.cli.classify", "Find sensitive data, and decide on what was found."),
    "mask": ("node.cli.mask", "See what masks there are, and try them on values and files."),
    "compute": ("node.cli.compute", "Answer questions about data without showing records."),
    "leak": ("node.cli.leak", "Find out which delivery a copy was made from."),
    "inbox": ("node.cli.inbox", "See what waits for you; take files from outsiders."),
    "request": ("node.cli.request", "Ask for data, and decide on what others ask for."),
    "grant": ("node.cli.grant", "See what may be used, and end it."),
    "policy": ("node.cli.policy", "What decides on requests; set the own stricter policy."),
    "permit": ("node.cli.permit", "Permits of third parties."),
    "custody": ("node.cli.custody", "Let another member keep data; see that it still has it."),
    "vault": ("node.cli.vault", "Check, back up and restore what the home keeps."),
    "log": ("node.cli.running", "Show what has changed in the rules and in who may do what."),
    "member": ("node.cli.member", "See members, replace the own keys."),
    "operator": ("node.cli.operator", "Grant duties to persons and services, and use them."),
    "gov": ("node.cli.gov", "Propose changes, vote, see what was decided."),
    "contract": ("node.cli.contract", "Write, check, test, describe, call and ask contracts."),
    "envelope": ("node.cli.envelope", "Seal records to members, pass on, read and erase them."),
    "dispatch": ("node.cli.dispatch", "Orders and notices down the tiers, and emergency plans."),
    "situation": ("node.cli.situation", "Show how things stand, once or live."),
    "metrics": ("node.cli.situation", "The same for Prometheus."),
    "notify": ("node.cli.notify", "Send mail and webhooks of what concerns this member."),
    "trace": ("node.cli.trace", "Tell the life of a dataset, grant, member; draw lineage."),
    "authorise": ("node.cli.authorise", "Authorise the use of one's data; see who authorised."),
    "registrar": ("node.cli.registrar", "Know the persons behind authorisations."),
    "supervise": ("node.cli.alert", "Watch what happens, and raise alerts on the chain."),
    "alert": ("node.cli.alert", "What supervisors' nodes have noticed, and why."),
    "case": ("node.cli.case", "What supervisors look into: open, follow and decide cases."),
    "sanction": ("node.cli.sanction", "Violations, the ladder of measures, and appeals."),
    "feedback": ("node.cli.feedback", "Rate datasets, and answer what others think."),
    "subject": ("node.cli.subject", "Keys of persons and firms: make one, sign for a contract."),
    "licence": ("node.cli.licence", "Show parts of a licence, and verify what is shown."),
    "poll": ("node.cli.poll", "Vote in a poll, and show the vote afterwards."),
    "exchange": ("node.cli.exchange", "Serve deliveries; see and erase what was delivered here."),
    "fetch": ("node.cli.exchange", "Fetch data under a grant, verified record by record."),
    "lookup": ("node.cli.exchange", "Look up single records by key under a grant."),
    "dispute": ("node.cli.dispute", "Contest what was delivered; settle it as a supervisor."),
    "export": ("node.cli.exchange", "Write fetched data as CSV, JSON lines or Parquet."),
    "web": ("node.cli.web", "Serve the console to operators, and open data to everybody."),
    "desk": ("node.cli.desk", "Do for the console what needs the department's keys."),
    "portal": ("node.cli.portal", "Publish open data, and moderate what the public says."),
    "receipt": ("node.cli.proofs", "Save the proof that a transaction is final."),
    "receipts": ("node.cli.proofs", "Save the receipts of many blocks, before they are pruned."),
    "verify": ("node.cli.proofs", "Check a receipt offline."),
    "prove-state": ("node.cli.proofs", "Save a proof of what the ledger's state holds at a key."),
    "verify-state": ("node.cli.proofs", "Check a state proof offline."),
    "prove-record": ("node.cli.proofs", "Save a proof of one record with chosen fields."),
    "verify-record": ("node.cli.proofs", "Check a record's proof offline."),
    "devnet": ("node.cli.devnet", "Run a trial network of real processes."),
    "simnet": ("simnet.cli", "Simulate whole networks with every fault, from one seed."),
    "demo": ("node.cli.devnet", "Show the whole ledger at work, step by step."),
}


_SECTIONS = {
    "A node and its network": (
        "init", "card", "network", "start", "status", "peers", "block", "tx", "watch", "situation",
        "metrics", "notify", "web", "desk",
    ),
    "A department's data": (
        "standard", "dataset", "source", "collect", "quarantine", "classify", "mask", "vault",
        "custody",
    ),
    "Exchange": (
        "inbox", "request", "grant", "policy", "permit", "fetch", "lookup", "export", "exchange",
        "dispute", "authorise", "registrar", "subject", "compute", "feedback", "portal",
    ),
    "Supervision": (
        "trace", "alert", "supervise", "leak", "case", "sanction", "dispatch", "evidence",
    ),
    "Government and contracts": (
        "member", "operator", "gov", "log", "contract", "envelope", "licence", "poll",
    ),
    "Proof": (
        "receipt", "receipts", "verify", "prove-state", "verify-state", "prove-record",
        "verify-record",
    ),
    "Trial": ("demo", "devnet", "simnet"),
}  # fmt: skip
"""How help groups the commands; whatever is in none of these comes last."""


class _Commands(click.Group):
    """A group that knows its commands' names and helps without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[name][0])
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        left = dict.fromkeys(_COMMANDS)
        for title, names in _SECTIONS.items():
            self._write(formatter, title, [name for name in names if name in left])
            for name in names:
                left.pop(name, None)
        if left:
            self._write(formatter, "More", list(left))

    def _write(self, formatter: click.HelpFormatter, title: str, names: list[str]) -> None:
        with formatter.section(title):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in names], col_max=14)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.command(cls=_Commands)
@click.version_option(package_name="muniment", message="muniment %(version)s")
def cli() -> None:
    """Muniment: share government data under agreed rules, with proof.

    \b
    A first look, with four departments on this machine:
      muniment demo

    Every command that shows something takes --json. Exit status: 0 done, 1 refused or failed,
    2 wrong usage. For completion: eval "$(_MUNIMENT_COMPLETE=bash_source muniment)"
    """


def main() -> Any:
    """Run the command line; errors become one sentence and an exit status."""
    follow()
    try:
        return cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(1)
    except MunimentError as error:
        click.echo(f"muniment: {error.message}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        _report_bug(error)
        sys.exit(1)


def _report_bug(error: Exception) -> None:
    """Keep a bug's traceback out of the user's sight, and in a file that the message names."""
    import secrets
    import tempfile

    incident = secrets.token_hex(4)
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"muniment-{incident}-", suffix=".log", delete=False
    ) as file:
        file.write(trace_of(error))
    click.echo(f"muniment: internal error {incident}; details are in {file.name}", err=True)
