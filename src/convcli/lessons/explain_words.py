"""An explanation in words: the arithmetic, and what it means."""

from convcli.kernels import Combine
from convcli.lessons.explanation import Explanation
from convcli.lessons.explanation_parts import Part, Plane, meaning_of
from convcli.wording import short

Facts = list[tuple[str, str]]


def title_of(one: Explanation) -> str:
    """Return which output value this is."""
    name = f", {one.name}" if one.name else ""
    return f"output x = {one.at[1]}, y = {one.at[0]}{name}"


def grid_title(one: Explanation, plane: Plane) -> str:
    """Return what the first grid of a plane holds."""
    if plane.channel is None:
        return "opacity"
    return "patch × opacity" if one.is_weighted else "patch"


def facts_of(one: Explanation) -> list[tuple[str, Facts]]:
    """Return the facts of each kernel and those of the value, each under its title."""
    last = [*_value(one), *_padding(one)]
    if one.combine is None:
        (part,) = one.parts
        before, after = arithmetic(part), _similarity(part)
        return [
            ("", [("looks at", _looks_at(one)), *before, *_value(one), *after, *_padding(one)])
        ]
    answers = [(part.kernel, [*arithmetic(part), *_similarity(part)]) for part in one.parts]
    combined = (one.combine.value, combination(one))
    return [*answers, ("together", [("looks at", _looks_at(one)), combined, *last])]


def arithmetic(part: Part) -> Facts:
    """Return how a kernel's answer comes about."""
    facts = [("sum", short(part.total))]
    answer = part.total
    if part.opacity is not None and part.seen is not None:
        seen = f"{short(part.opacity.products.sum())} / {short(part.weights_sum)}"
        facts.append(("opacity", f"{seen} = {short(part.seen)}: its sum over the kernel's sum"))
        facts.append(("colour", _colour(part)))
        answer = part.colour
    if part.bias:
        facts.append(("bias", f"{short(answer)} + {short(part.bias)} = {short(part.raw)}"))
    return facts


def _colour(part: Part) -> str:
    if part.is_unseen:
        return "0: there is nothing to see here"
    return f"{short(part.total)} / {short(part.seen or 1)} = {short(part.colour)}"


def combination(one: Explanation) -> str:
    """Return how the answers of several kernels become one, with the numbers filled in."""
    answers = [short(part.raw) for part in one.parts]
    if one.combine is Combine.MAGNITUDE:
        squares = " + ".join(f"({a})²" if a.startswith("-") else f"{a}²" for a in answers)
        return f"√({squares}) = {short(one.raw)}"
    if one.combine in (Combine.MAX, Combine.MIN):
        which = "largest" if one.combine is Combine.MAX else "smallest"
        return f"the {which} of {', '.join(answers)} = {short(one.raw)}"
    added = " + ".join(f"({a})" if a.startswith("-") else a for a in answers)
    if one.combine is Combine.MEAN:
        return f"({added}) / {len(answers)} = {short(one.raw)}"
    return f"{added} = {short(one.raw)}"


def _value(one: Explanation) -> Facts:
    facts = [(f"range {one.range}", f"{name} → {short(value)}") for name, value in one.steps]
    facts.append(("value", f"{short(one.value)}, as apply writes it"))
    if one.alpha is not None and one.opacity is not None:
        facts.append(("alpha", f"{one.alpha}: the opacity becomes {short(one.opacity)}"))
    return facts


def _similarity(part: Part) -> Facts:
    cosine = "" if part.cosine is None else f"cosine {two_places(part.cosine)}, "
    facts = [("means", f"{cosine}{part.meaning}")]
    centred = part.centred_cosine
    if part.weights_sum == 0 and centred is not None:
        text = meaning_of(centred).partition(":")[0]
        facts.append(
            ("pattern", f"cosine {two_places(centred)} without the mean brightness: {text}")
        )
    return facts


def two_places(value: float) -> str:
    """Return a number with 2 decimals; -0.00 is 0.00."""
    return f"{round(value, 2) + 0.0:.2f}"


def _padding(one: Explanation) -> Facts:
    if not one.padded.any():
        return []
    count = int(one.padded.sum())
    seen = f"{count} of {one.padded.size} taps see it, in brackets (border {one.border})"
    return [("padding", seen)]


def _looks_at(one: Explanation) -> str:
    return f"{_span('column', one.columns)}, {_span('row', one.rows)} of the picture"


def _span(name: str, positions: tuple[int, ...]) -> str:
    if len(positions) == 1:
        return f"{name} {positions[0]}"
    step = positions[1] - positions[0]
    every = f" (every {step} px)" if step > 1 else ""
    return f"{name}s {positions[0]} to {positions[-1]}{every}"
