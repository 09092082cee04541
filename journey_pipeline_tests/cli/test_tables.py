"""Tables in terminals of any width: no cell is ever cut."""

from __future__ import annotations

import io

import pytest

from journey_pipeline.cli.output import _Console, plain_table

STREAMS = ("layerfive/customer_journeys", "sfmc/journey_history")
SAYS = "The vendor refused the credentials. Set SFMC_CLIENT_ID and SFMC_CLIENT_SECRET, and run it again."


class Screen(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(width: int, file: io.StringIO | None = None) -> list[str]:
    """The lines of a table with labels, figures, a spare column and sentences."""
    screen = file or Screen()
    table = plain_table("stream", "rows", "polls", "says", right=("rows", "polls"), text=("says",), spare=("polls",))
    for number, stream in enumerate(STREAMS):
        table.add_row(stream, f"{number + 1:,}234,567", "17", SAYS)
    _Console(file=screen, width=width, height=50, color_system=None).show(table)
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", range(37, 180, 7))
def test_no_label_and_no_figure_is_cut_at_any_width_and_every_word_of_a_sentence_is_there(width: int) -> None:
    lines = shown(width)
    assert max(map(len, lines)) <= max(width, len("stream  ") + max(map(len, STREAMS)))
    text = "\n".join(lines)
    for whole in (*STREAMS, "1234,567", "2234,567"):
        assert whole in text
    assert all(text.count(word) >= 2 for word in SAYS.split() if len(word) < 20)
    assert "…" not in text


def test_a_spare_column_goes_before_a_row_becomes_a_list_which_has_it_again() -> None:
    assert ["polls" in "".join(shown(width)) for width in (150, 69, 50)] == [True, False, True]


def test_a_pipe_has_every_column_and_a_line_for_each_row() -> None:
    _, head, _, *rows = shown(20, io.StringIO())
    assert head.split() == ["stream", "rows", "polls", "says"]
    assert [row.split()[0] for row in rows if row.strip()] == list(STREAMS)
    assert all(SAYS in row for row in rows if row.strip())
