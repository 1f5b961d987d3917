"""`convcli size --quiz`: asks, checks, explains."""

import secrets
import sys

import click

from convcli.cli.documents import show_json
from convcli.cli.plain import say
from convcli.lessons.quiz import Question, is_number, questions

_SEEDS = 10_000


def run_quiz(seed: int | None, count: int, *, as_json: bool) -> int:
    """Ask questions on the terminal, or take the answers from standard input, a line each.

    What is no number is asked for again. With `as_json` all answers are read first, and
    one object is printed. Returns the exit status.
    """
    chosen = secrets.randbelow(_SEEDS) if seed is None else seed
    asked = questions(chosen, count)
    if as_json:
        _document(asked, chosen)
        return 0
    say(f"Quiz with seed {chosen}, {count} question{'s' * (count > 1)}.")
    right = 0
    for number, question in enumerate(asked, start=1):
        say(f"\n{number}. {question.text}")
        given = _answer()
        if given is None:
            say("No more answers: the rest is not counted as right.")
            break
        right += question.is_right(given)
        _judge(question, given)
    say(f"\n{right} of {count} right.")
    return 0


def _answer() -> str | None:
    """Return the next answer that is a number; None at the end of standard input."""
    while True:
        click.echo("> ", nl=False)
        line = sys.stdin.readline()
        if not sys.stdin.isatty() or not line:
            click.echo(line.rstrip("\n"))
        if not line or is_number(line):
            return line or None
        say("That is no number: answer again.")


def _judge(question: Question, given: str) -> None:
    if question.is_right(given):
        word = click.style("Right.", fg="green", bold=True)
    else:
        word = click.style(f"No: {question.answer}.", fg="red", bold=True)
    say(f"{word} {question.explanation}")


def _document(asked: list[Question], seed: int) -> None:
    lines = sys.stdin.read().splitlines() if not sys.stdin.isatty() else []
    numbers = [line for line in lines if is_number(line)]
    given = [*numbers, *[None] * len(asked)][: len(asked)]
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
    show_json({"seed": seed, "count": len(asked), "right": right, "questions": entries})
