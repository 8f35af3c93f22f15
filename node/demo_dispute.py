"""The demonstration's step about a lie: refused, disputed, settled by a supervisor."""

from __future__ import annotations

from node.story import Story, require

OWNER, RECIPIENT, SUPERVISOR = "land", "health", "tax"


class DisputeStep:
    """land sends one value that it never registered; tax, which supervises, sees that it did."""

    def __init__(self, story: Story) -> None:
        self._story = story

    def run(self, dataset: str) -> None:
        story = self._story
        story.title("A lie: land sends another value than the registered one, and signs it")
        asked = story.settled(
            RECIPIENT, "request", "new", dataset, "number", "fee", "--purpose", "public-service",
            "--basis", "contract", "--rows", "60", "--days", "30",
        )  # fmt: skip
        grant = str(asked["request"])
        with story.serving(OWNER, "-m", "node.demo_liar"):
            said = story.refuse("fetch", grant, "--home", story.home(RECIPIENT))
        require("muniment dispute open" in said, "the lie was not noticed")
        number = said.split()[-1]
        opened = story.settled(RECIPIENT, "dispute", "open", number, "--yes")
        require(opened["sealed to"] == SUPERVISOR, "sealed to others than the supervisor")
        [row] = [d for d in story.settled(SUPERVISOR, "dispute", "list", "--open")
                 if str(d["id"]) == number]  # fmt: skip
        for envelope in row["dispute"]["envelopes"]:
            story.settled(SUPERVISOR, "envelope", "show", envelope, "--wait", "30")
        story.show(story.command("dispute", "show", number, "--home", story.home(SUPERVISOR)))
        ruling = ("for-recipient", "--rows", "0")
        settled = story.settled(SUPERVISOR, "dispute", "settle", number, *ruling)
        require(settled["quota left"] == 60, "the quota was not given back")
        story.show(f"settled {settled['outcome']}: 60 rows may be fetched again")
        with story.serving(OWNER):
            receipt = story.settled(RECIPIENT, "fetch", grant)
        require(receipt["rows"] == 60, "rows are missing")
