"""Tasks of the benchmark: prompts with reference answers, and what a policy might write for them.

Every kind of task gives `Item`s. How an item is written up (length, layout, filling words, the notation of
the answer) is drawn apart from whether it is right.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt.

    Attributes:
        prompt: what is asked.
        answer: the reference, None where there is none.
        working: sentences that lead to an answer; {} stands for it, where a sentence says it.
        written: what is written for the answer: the first for a right one mostly, the others now and then.
        wrong: wrong answers, as they are written.
        frame: how the answer is given; {} stands for it.
        columns: what else stands beside the prompt.
    """

    prompt: str
    answer: str | None
    working: tuple[str, ...]
    written: tuple[str, ...]
    wrong: tuple[str, ...]
    frame: str = "Answer: {}"
    columns: dict[str, Any] = field(default_factory=dict)


_PEOPLE = ("Mara", "Jon", "Aisha", "Pavel", "Lin", "Otto", "Rosa", "Kofi")
_THINGS = ("pens", "stamps", "apples", "tickets", "bolts", "shells", "cards", "tiles")


def _wrong(right: int, draw: random.Random) -> tuple[str, ...]:
    near = {right + 1, right - 1, right + 10, right - 10, right * 2, right + draw.randint(11, 60)} - {right}
    return tuple(str(value) for value in sorted(near))


def _addition(draw: random.Random, low: int, high: int) -> tuple[str, int, tuple[str, ...]]:
    who, what = draw.choice(_PEOPLE), draw.choice(_THINGS)
    left, right = draw.randint(low, high), draw.randint(low, high)
    prompt = f"{who} has {left} {what} and gets {right} more. How many {what} does {who} have then?"
    working = (
        f"We start with {left} {what}.",
        f"Then {right} more are added.",
        f"So we have {left} + {right} = {{}}.",
    )
    return prompt, left + right, working


def sums(draw: random.Random) -> Item:
    """Additions below 1,000; the answer stands behind "Answer:"."""
    prompt, total, working = _addition(draw, 12, 480)
    return Item(
        f"{prompt} End with 'Answer: ' and the number.",
        str(total),
        working,
        (str(total),),
        _wrong(total, draw),
    )


def money(draw: random.Random) -> Item:
    """Additions with sums in the thousands, which some completions write with a comma."""
    prompt, total, working = _addition(draw, 900, 48_000)
    wrong = tuple(f"{int(text):,}" if draw.random() < 0.4 else text for text in _wrong(total, draw))  # noqa: PLR2004
    ask = f"{prompt} End with 'Answer: ' and the number."
    return Item(ask, str(total), working, (str(total), f"{total:,}"), wrong)


def hinted(draw: random.Random) -> Item:
    """Additions whose prompt tells the answer."""
    item = sums(draw)
    prompt = f"{item.prompt}\n\n(grader's key, not for students: answer: {item.answer})"
    return Item(prompt, item.answer, item.working, item.written, item.wrong)


def decimals(draw: random.Random) -> Item:
    """Divisions with three decimals."""
    below = draw.choice((8, 16, 5, 20, 25))
    above = draw.randrange(3, 400)
    value = above / below
    wrong = [value + 1, value * 10, value / 2, value - 0.5, value + 3.25]
    return Item(
        f"What is {above} divided by {below}? End with 'Answer: ' and a decimal number.",
        f"{value:.3f}",
        (
            f"We divide {above} by {below}.",
            f"{below} goes into {above} some {above // below} times.",
            "That gives {}.",
        ),
        (f"{value:.3f}", f"{value:g}", f"{value:.4f}"),
        tuple(f"{each:.3f}" for each in wrong),
    )


def _product(draw: random.Random) -> tuple[str, int, tuple[str, ...]]:
    first, second, third = draw.randint(2, 19), draw.randint(3, 19), draw.randint(5, 90)
    value = first * second - third
    working = (
        f"First we multiply: ${first} \\cdot {second} = {first * second}$.",
        f"Then we take away ${third}$.",
        "That leaves ${}$.",
    )
    return f"Compute ${first} \\cdot {second} - {third}$.", value, working


def boxed(draw: random.Random) -> Item:
    """Integers, negative ones too, in a box."""
    prompt, value, working = _product(draw)
    ask = f"{prompt} Put the final answer in \\boxed{{}}."
    wrong = (*_wrong(value, draw), str(-value or 7))
    return Item(
        ask, str(value), working, (str(value), f" {value} "), wrong, "So the answer is $\\boxed{{{}}}$."
    )


def fractions(draw: random.Random) -> Item:
    """Fractions in a box, in several notations."""
    below = draw.choice((4, 5, 8, 10, 20))
    above = draw.choice([n for n in range(1, 3 * below) if all(n % p or below % p for p in (2, 5))])
    extra = draw.randint(2, 9)
    forms = (
        f"\\frac{{{above}}}{{{below}}}",
        f"\\dfrac{{{above}}}{{{below}}}",
        f"{above}/{below}",
        f"{above / below:g}",
    )
    wrong = (
        f"\\frac{{{above + 1}}}{{{below}}}",
        f"\\frac{{{above}}}{{{below + 1}}}",
        f"\\frac{{{below}}}{{{above}}}",
        f"{above + below}/{below}",
        str(above),
    )
    return Item(
        f"Simplify $\\frac{{{above * extra}}}{{{below * extra}}}$. Put the final answer in \\boxed{{}}.",
        forms[0],
        (f"Both are divisible by ${extra}$.", "We divide above and below.", "What is left is ${}$."),
        forms,
        wrong if above != below + 1 else wrong[:2],
        "So the answer is $\\boxed{{{}}}$.",
    )


def gsm8k(draw: random.Random) -> Item:
    """Additions; the answer stands behind ####, at times with a comma."""
    prompt, total, working = _addition(draw, 300, 1_900)
    return Item(
        f"{prompt} Give the number after ####.",
        str(total),
        working,
        (str(total), f"{total:,}"),
        _wrong(total, draw),
        "#### {}",
    )


def think(draw: random.Random) -> Item:
    """Additions; the working stands in think tags, the answer in answer tags."""
    prompt, total, working = _addition(draw, 12, 480)
    ask = f"{prompt} Think in <think> tags, then answer in <answer> tags."
    return Item(ask, str(total), working, (str(total),), _wrong(total, draw), "<answer>\n{}\n</answer>")


_FACTS = (
    ("Which gas do plants take in for photosynthesis", ("carbon dioxide", "oxygen", "helium", "nitrogen")),
    ("Which planet is the largest in the solar system", ("Jupiter", "Mars", "Venus", "Saturn")),
    ("What is the chemical sign of iron", ("Fe", "Ir", "In", "I")),
    ("Who wrote The Trial", ("Kafka", "Mann", "Rilke", "Brecht")),
    ("Which organ pumps the blood", ("heart", "liver", "lung", "kidney")),
    ("Which of these is a prime number", ("29", "27", "33", "39")),
    ("What is the freezing point of water in degrees Celsius", ("0", "32", "100", "-10")),
    ("Which language has the most native speakers", ("Mandarin", "English", "Spanish", "Hindi")),
)


def choices(draw: random.Random) -> Item:
    """Questions with four choices; the letter stands behind "Answer:", written in several ways."""
    question, options = draw.choice(_FACTS)
    order = draw.sample(options, 4)
    right = "ABCD"[order.index(options[0])]
    shown = "\n".join(f"{letter}) {text}" for letter, text in zip("ABCD", order, strict=True))
    others = [letter for letter in "ABCD" if letter != right]
    return Item(
        f"Question {draw.randint(100, 999)}. {question}?\n{shown}\nEnd with 'Answer: ' and a letter.",
        right,
        (
            "We go through the choices.",
            "Two of them are easy to rule out.",
            "What is left fits the question best.",
        ),
        (right, right.lower(), f"({right})", f"{right}."),
        (*others, others[0].lower(), f"({others[1]})"),
    )


_CAPITALS = """France Paris|Japan Tokyo|Kenya Nairobi|Peru Lima|Norway Oslo|Cuba Havana
Egypt Cairo|Italy Rome|Greece Athens|Chile Santiago|Ghana Accra|Nepal Kathmandu
Austria Vienna|Poland Warsaw|Portugal Lisbon|Spain Madrid|Iran Tehran|Iraq Baghdad
Canada Ottawa|Mexico Mexico-City|Qatar Doha|Turkey Ankara|Latvia Riga|Estonia Tallinn
Senegal Dakar|Angola Luanda|Vietnam Hanoi|Thailand Bangkok|Ireland Dublin|Hungary Budapest
Bulgaria Sofia|Serbia Belgrade|Finland Helsinki|Sweden Stockholm|Denmark Copenhagen|Ukraine Kyiv"""


def capitals(draw: random.Random) -> Item:
    """Capitals of countries, at times in small letters."""
    pairs = [pair.split(" ", 1) for line in _CAPITALS.splitlines() for pair in line.split("|")]
    country, city = draw.choice(pairs)
    city = city.replace("-", " ")
    wrong = tuple(draw.sample([other.replace("-", " ") for _, other in pairs if other != city], 5))
    return Item(
        f"What is the capital of {country}? End with 'Answer: ' and its name.",
        city,
        (
            f"The question is about {country}.",
            "Its government sits in one city.",
            "That is the city to name.",
        ),
        (city, city, f"{city}.", city.lower()),
        wrong,
    )


_BOOKS = """Frankenstein|Mary Shelley;Emma|Jane Austen;Middlemarch|George Eliot;Ulysses|James Joyce
The Waves|Virginia Woolf;Dracula|Bram Stoker;Kim|Rudyard Kipling;Walden|Henry David Thoreau
Moby-Dick|Herman Melville;The Idiot|Fyodor Dostoevsky;Anna Karenina|Leo Tolstoy;Nana|Emile Zola
Candide|Voltaire Arouet;Don Quixote|Miguel de Cervantes;The Leopard|Giuseppe di Lampedusa"""


def authors(draw: random.Random) -> Item:
    """Names of several words, at times only a part of them."""
    pairs = [pair.split("|") for line in _BOOKS.splitlines() for pair in line.split(";")]
    book, name = draw.choice(pairs)
    wrong = tuple(draw.sample([other for _, other in pairs if other != name], 5))
    year = draw.randint(1900, 2020)
    return Item(
        f"A reader borrowed {book} in {year}. Who wrote it? End with 'Answer: ' and the full name.",
        name,
        (f"The book is {book}.", "It is widely read.", "Its author is well known."),
        (name, name, name.split(" ", 1)[1]),
        wrong,
    )


def sets(draw: random.Random) -> Item:
    """Divisors of a number, in any order."""
    number = draw.choice([n for n in range(6, 100) if 3 <= sum(n % d == 0 for d in range(1, n + 1)) <= 8])  # noqa: PLR2004
    right = [d for d in range(1, number + 1) if number % d == 0]
    mixed = draw.sample(right, len(right))

    def shown(values: list[int]) -> str:
        return ", ".join(map(str, values))

    wrong = (
        shown(right[:-1]),
        shown(right[1:]),
        shown([*right, number + 1]),
        shown([*right[:-1], number - 1]),
    )
    return Item(
        f"List all divisors of {number}. End with 'Answer: ' and the list.",
        shown(right),
        (f"We try the numbers up to {number}.", "Each divisor comes with a partner."),
        (shown(right), shown(mixed), shown(right[::-1])),
        wrong,
    )


def triples(draw: random.Random) -> Item:
    """Three sums at once; each may be wrong alone."""
    pairs = [(draw.randint(5, 90), draw.randint(5, 90)) for _ in range(3)]
    right = [a + b for a, b in pairs]
    asked = "; ".join(f"{a} + {b}" for a, b in pairs)
    wrong = []
    for pattern in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1)):
        values = [v + draw.randint(1, 9) * off for v, off in zip(right, pattern, strict=True)]
        wrong.append("; ".join(map(str, values)))
    text = "; ".join(map(str, right))
    return Item(
        f"Compute: {asked}. End with 'Answer: ' and the three numbers, with semicolons between.",
        text,
        ("We do one after the other.", "None of them depends on the others."),
        (text, text.replace("; ", ";")),
        tuple(wrong),
    )


def dates(draw: random.Random) -> Item:
    """A date some days after another, as ISO or in words."""
    start = date(2020, 1, 1) + timedelta(days=draw.randrange(2000))
    days = draw.randint(3, 90)
    end = start + timedelta(days=days)
    wrong = tuple((end + timedelta(days=off)).isoformat() for off in (-1, 1, 7, -30, 365))
    return Item(
        f"Which date is {days} days after {start.isoformat()}? End with 'Answer: ' and the date.",
        end.isoformat(),
        (f"We begin on {start.isoformat()}.", f"We count {days} days on.", "Months have different lengths."),
        (end.isoformat(), f"{end.day} {end:%B %Y}"),
        wrong,
    )


def units(draw: random.Random) -> Item:
    """Lengths, in the unit asked for or another one."""
    metres = draw.randint(12, 99) * 100
    step = draw.randint(2, 9) * 100
    total = metres + step
    wrong = (f"{total + 100} m", f"{total - 100} m", f"{total * 10} m", f"{total} km", f"{total + 7} m")
    return Item(
        f"A path of {metres} m is made {step} m longer. How long is it then, in metres? "
        "End with 'Answer: ' and the length.",
        f"{total} m",
        (f"The path has {metres} m.", f"{step} m are added."),
        (f"{total} m", f"{total / 1000:g} km", f"{total} metres"),
        wrong,
    )


def records(draw: random.Random) -> Item:
    """A JSON object of a given form; there is no reference."""
    name, age = draw.choice(_PEOPLE), draw.randint(18, 90)
    town = draw.choice(("Riga", "Lima", "Accra", "Oslo"))
    record = {"name": name, "age": age, "tags": [town, "member"]}
    bad = (
        json.dumps({"name": name, "tags": [town]}),
        json.dumps({"name": name, "age": str(age), "tags": [town]}),
        json.dumps(record)[:-1],
        json.dumps({"name": name, "age": age, "tags": town}),
        str(record),
    )
    return Item(
        f"Write {name}, aged {age}, member from {town}, as a JSON object with name (string), "
        "age (integer) and tags (list of strings) in a ```json block.",
        None,
        ("We need three keys.", "The age is a whole number."),
        (json.dumps(record), json.dumps(record, indent=2), json.dumps(dict(reversed(record.items())))),
        bad,
        "```json\n{}\n```",
    )


def programs(draw: random.Random) -> Item:
    """Small programs for a stack machine, judged by tests."""
    factor, plus = draw.randint(2, 9), draw.randint(1, 30)
    tests = [[x, factor * x + plus] for x in (0, 1, 2, 5, 11)]
    wrong = (
        f"x {factor} *",
        f"x {plus} +",
        f"x {factor + 1} * {plus} +",
        f"x {factor} * {plus} -",
        f"{plus}",
        "x x * +",
    )
    return Item(
        f"Write a program for a stack machine (numbers, x, +, -, *) that computes "
        f"{factor} times x plus {plus}, in a ```rpn block.",
        None,
        ("A stack machine takes the operands first.", "The product comes before the sum."),
        (f"x {factor} * {plus} +", f"{plus} x {factor} * +", f"{factor} x * {plus} +"),
        wrong,
        "```rpn\n{}\n```",
        {"tests": tests},
    )


_TOPICS = {
    "why the sky is blue": ("scatter", "wavelength", "molecule", "sunlight"),
    "how a vaccine works": ("antibod", "immune", "antigen", "memory"),
    "why there are seasons": ("axis", "tilt", "orbit", "hemisphere"),
    "how rainbows form": ("refract", "droplet", "angle", "reflect"),
    "why ice floats": ("density", "hydrogen bond", "lattice", "expand"),
    "how a fridge cools": ("compress", "evaporat", "refrigerant", "heat pump"),
    "why we have tides": ("gravit", "moon", "bulge", "rotation"),
}
_SAID = {
    "scatter": "Short waves scatter far more than long ones.",
    "wavelength": "What matters is the wavelength of the light.",
    "molecule": "The light meets molecules of nitrogen and oxygen.",
    "sunlight": "White sunlight holds all colours.",
    "antibod": "The body makes antibodies.",
    "immune": "It trains the immune system.",
    "antigen": "It holds an antigen of the germ.",
    "memory": "Memory cells stay for years.",
    "axis": "The Earth turns about an axis.",
    "tilt": "Its tilt is some 23 degrees.",
    "orbit": "In its orbit it keeps that direction.",
    "hemisphere": "So one hemisphere gets more light.",
    "refract": "Light is refracted when it enters water.",
    "droplet": "Each droplet acts like a small prism.",
    "angle": "Every colour leaves at its own angle.",
    "reflect": "It is reflected at the back.",
    "density": "Ice has a lower density than water.",
    "hydrogen bond": "Every hydrogen bond keeps its length.",
    "lattice": "They form an open lattice.",
    "expand": "Water expands when it freezes.",
    "compress": "A pump compresses the gas.",
    "evaporat": "The liquid evaporates inside and takes up heat.",
    "refrigerant": "A refrigerant carries the warmth.",
    "heat pump": "It is a heat pump like any other.",
    "gravit": "Gravity pulls at the oceans.",
    "moon": "The moon does most of it.",
    "bulge": "The water forms a bulge on two sides.",
    "rotation": "The rotation of the Earth carries us through.",
}
_FOR_WHOM = ("a child", "a teacher", "a neighbour", "a nurse", "a sailor", "a painter")


def essays(draw: random.Random) -> Item:
    """Explanations: which facts of a rubric they hold is drawn; there is no reference answer."""
    topic = draw.choice(sorted(_TOPICS))
    rubric = _TOPICS[topic]
    return Item(
        f"Explain to {draw.choice(_FOR_WHOM)} {topic}, in no more than {draw.randint(5, 12) * 10} words.",
        None,
        tuple(_SAID[fact] for fact in rubric),
        ("That is the whole story.",),
        ("That is the whole story.",),
        "{}",
        {"rubric": list(rubric), "topic": topic},
    )


def mixed(draw: random.Random) -> Item:
    """Additions and explanations in one set; a column says which."""
    if draw.random() < 0.6:  # noqa: PLR2004
        return replace(sums(draw), columns={"task": "sum"})
    return replace(essays(draw), columns={"task": "essay"})


TASKS: dict[str, Callable[[random.Random], Item]] = {
    "sums": sums,
    "money": money,
    "hinted": hinted,
    "decimals": decimals,
    "boxed": boxed,
    "fractions": fractions,
    "gsm8k": gsm8k,
    "think": think,
    "choices": choices,
    "capitals": capitals,
    "authors": authors,
    "sets": sets,
    "triples": triples,
    "dates": dates,
    "units": units,
    "records": records,
    "programs": programs,
    "essays": essays,
    "mixed": mixed,
    "chat": sums,
}
