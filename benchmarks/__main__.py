"""`python -m benchmarks`: measures, and prints what came of it as Markdown.

Not here: the questions (`questions.py`).
"""

from __future__ import annotations

import click

from benchmarks.processes import ContenderError
from benchmarks.questions import QUESTIONS
from benchmarks.tables import machine
from benchmarks.turns import Effort


@click.command()
@click.argument("names", metavar="[QUESTION]...", nargs=-1, type=click.Choice(list(QUESTIONS)))
@click.option("--repeats", default=3, show_default=True, help="How often each contender has its turn.")
@click.option("--quick", is_flag=True, help="Tiny sizes, once: tries the scripts, measures nothing.")
@click.option("--dlt/--no-dlt", default=True, help="Whether dlt takes part; it is in the optional group `bench`.")
def main(names: tuple[str, ...], repeats: int, *, quick: bool, dlt: bool) -> None:
    """Measure the pipeline beside floors and peers; all questions, or those that are named."""
    effort = Effort(1 if quick else repeats, quick, dlt, lambda line: click.echo(line, err=True))
    click.echo(machine())
    for name in names or QUESTIONS:
        question = QUESTIONS[name]
        click.echo(f"\n### {name}: {question.__doc__}\n")
        try:
            click.echo(question(effort))
        except ContenderError as error:
            raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
