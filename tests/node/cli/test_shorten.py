"""Long values in tables are cut to what tells something."""

from __future__ import annotations

from node.cli.shorten import MAX_SHOWN, shorten, shorten_both


def test_short_texts_stay_and_long_ones_show_both_ends() -> None:
    assert shorten("a short\n one") == "a short one"
    assert len(shorten("x" * 500)) <= MAX_SHOWN
    assert shorten("begin" + "-" * 99 + "end").endswith("-end")


def test_of_long_texts_the_changed_part_is_shown_with_its_surroundings() -> None:
    old = "a" * 500 + "OLD" + "b" * 500
    assert shorten_both(old, old.replace("OLD", "NEWER")) == (
        "…aaaaaaaaaaaaOLDbbbbbbbbbbbb…", "…aaaaaaaaaaaaNEWERbbbbbbbbbbbb…",
    )  # fmt: skip
    assert shorten_both("x" * 99, "x" * 99 + "more") == ("…" + "x" * 12, "…" + "x" * 12 + "more")
    assert shorten_both("", "y" * 99)[0] == ""
    assert all(len(each) < MAX_SHOWN + 3 for each in shorten_both("p" * 999, "q" * 999))
    assert shorten_both("Main 1", "Main 2") == ("Main 1", "Main 2")
