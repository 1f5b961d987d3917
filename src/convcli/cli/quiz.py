"""`convcli size --quiz`: asks, checks, explains."""

import json
import secrets
import sys

import click

from convcli.lessons.quiz import Question, questions

_SEEDS = 10_000


def run_quiz(seed: int | None, count: int, *, as_json: bool) -> None:
    """Ask questions on the terminal, or take the answers from standard input, a line each.

    With `as_json` all answers are read first, and one object is printed.
    """
    chosen = secrets.randbelow(_SEEDS) if seed is None else seed
    asked = questions(chosen, count)
    if as_json:
        _document(asked, chosen)
        return
    click.echo(f"Quiz with seed {chosen}, {count} question{'s' * (count > 1)}.")
    right = 0
    for number, question in enumerate(asked, start=1):
        click.echo("\n" + click.wrap_text(f"{number}. {question.text}", 78))
        given = _answer()
        if given is None:
            click.echo("No more answers: the rest is not counted as right.")
            break
        right += question.is_right(given)
        _judge(question, given)
    click.echo(f"\n{right} of {count} right.")


def _answer() -> str | None:
    """Return the next answer; None at the end of standard input."""
    click.echo("> ", nl=False)
    line = sys.stdin.readline()
    if not sys.stdin.isatty() or not line:
        click.echo(line.rstrip("\n"))
    return line or None


def _judge(question: Question, given: str) -> None:
    if question.is_right(given):
        word = click.style("Right.", fg="green", bold=True)
    else:
        word = click.style(f"No: {question.answer}.", fg="red", bold=True)
    click.echo(f"{word} {question.explanation}")


def _document(asked: list[Question], seed: int) -> None:
    lines = sys.stdin.read().splitlines() if not sys.stdin.isatty() else []
    given = [*lines, *[None] * len(asked)][: len(asked)]
    entries = [
        {
            "question": question.text,
            "given": answer,
            "answer": question.answer,
            "right": answer is not None and question.is_right(answer),
            "explanation": question.explanation,
        }
        for question, answer in zip(asked, given, strict=True)
    ]
    right = sum(bool(entry["right"]) for entry in entries)
    click.echo(
        json.dumps({"seed": seed, "count": len(asked), "right": right, "questions": entries})
    )
