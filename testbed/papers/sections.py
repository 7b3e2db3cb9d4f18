"""The prose of synthetic papers, section by section; every sentence carries something of this paper alone."""

from collections.abc import Callable

from studbook.testbed.papers.outline import Outline, Part, better_by

Section = Callable[[Outline], str]


def abstract(d: Outline) -> str:
    gain = better_by(d.domain.main, d.score, d.baseline)
    first, second = d.parts[0], d.parts[1]
    opening = d.pick(
        (
            (
                f"A {d.domain.system} for {d.domain.field} has to live with {first.trouble} and "
                f"{second.trouble}."
            ),
            f"In {d.domain.field}, {first.trouble} is the rule, and {second.trouble} is never far.",
            (
                f"Most of what goes wrong with a {d.domain.system} can be traced to {first.trouble}, and "
                f"much of the rest to {second.trouble}."
            ),
        )
    )
    return (
        f"## Abstract\n\n{opening} We describe {d.method}, which combines {_names(d)}. On {d.dataset}, "
        f"{d.size:,} {d.domain.items} from a {d.domain.places[0]}, it changes the {d.domain.main.name} from "
        f"{d.baseline} to {d.score} {d.domain.main.unit}, an improvement of {gain}, over {d.runs} "
        "repeated runs. "
        f"The {d.domain.cost.name} goes from {d.cost_before} to {d.cost} {d.domain.cost.unit}. Removing "
        "any one "
        f"part costs between {_smallest_loss(d)} and {_largest_loss(d)} {d.domain.main.unit}, and we "
        "explain why."
    )


def problem(d: Outline) -> str:
    heading = d.pick(("Introduction", "The problem", "Why this is hard", "Motivation"))
    lines = [f"## {heading}\n"]
    places = d.random.sample(d.domain.places, 2)
    lines.append(
        f"The {d.domain.system} studied here handles {d.domain.items} as they arrive from the "
        f"{d.domain.source} of "
        f"a {places[0]}. An operator there told us in the first week that {d.parts[0].trouble} was "
        "what they "
        f"feared most; the {d.domain.source} of a {places[1]} pointed to {d.parts[1].trouble} instead."
    )
    for part in d.parts[:4]:
        share = d.random.randint(7, 46)
        lines.append(
            d.pick(
                (
                    (
                        f"In {share} percent of the cases we inspected by hand, {part.trouble} came first "
                        f"and the visible failure followed {d.random.randint(2, 40)} steps later."
                    ),
                    (
                        f"We found {part.trouble} in {share} of every hundred {d.domain.items}, and in "
                        f"{d.random.randint(48, 91)} percent of those the decision had to be taken back."
                    ),
                    (
                        f"Against {part.trouble}, the obvious remedy of collecting more {d.domain.items} "
                        "does "
                        f"not help: doubling the data moved the {d.domain.main.name} by "
                        f"{d.random.uniform(0.1, 0.9):.1f} {d.domain.main.unit}."
                    ),
                )
            )
        )
    lines.append(
        f"What these cases have in common is that the evidence needed to decide well exists, yet reaches the "
        f"{d.domain.system} after it has committed itself. {d.method} therefore separates committing from "
        f"deciding, and spends its effort where a commitment would be expensive to undo."
    )
    return _paragraphs(lines)


def earlier(d: Outline) -> str:
    heading = d.pick(("Earlier approaches", "Related work", "What has been tried"))
    lines = [f"## {heading}\n"]
    for rival in d.rivals:
        lines.append(
            d.pick(
                (
                    (
                        f"{rival.approach.capitalize()}, represented here by {rival.name}, {rival.failing}. "
                        f"On {d.dataset} it reaches a {d.domain.main.name} of {rival.score} "
                        f"{d.domain.main.unit}, and its worst decile coincides with "
                        f"{d.pick(d.parts).trouble}."
                    ),
                    (
                        f"{rival.name} inherits a known weakness: {rival.approach} {rival.failing}. That "
                        "is why "
                        f"it stops at {rival.score} {d.domain.main.unit} although it was tuned for "
                        f"{d.random.randint(2, 9)} days on the same data."
                    ),
                    (
                        f"{rival.name} is the most careful form of an older idea, yet {rival.approach} "
                        f"{rival.failing}, and under {d.pick(d.parts).trouble} the figure of {rival.score} "
                        f"{d.domain.main.unit} falls by another {d.random.uniform(1.1, 6.9):.1f}."
                    ),
                )
            )
        )
    lines.append(
        f"None of them keeps a record of its own reversals. {d.method} shares with {d.rivals[0].name} "
        f"the wish to stay simple, and differs in that {d.parts[-1].name} may overrule every other part."
    )
    return _paragraphs(lines)


def mechanism(d: Outline) -> str:
    heading = d.pick((f"The {d.method} mechanism", "Mechanism", f"How {d.method} works", "Method"))
    intro = (
        f"## {heading}\n\n{d.method} has {_number_word(len(d.parts))} parts: {_names(d)}. They act in "
        f"this order on the {d.domain.items}, but their reasons are best read one at a time."
    )
    return "\n\n".join([intro, *(_part(d, number, part) for number, part in enumerate(d.parts, 1))])


def interplay(d: Outline) -> str:
    lines = [f"## {d.pick(('How the parts work together', 'Interplay', 'Order of operations'))}\n"]
    lines += [d.fill(part.kind.link, part) for part in d.parts]
    first, last = d.parts[0], d.parts[-1]
    lines.append(
        f"The order matters. Running {last.name} before {first.name} was tried on "
        f"{d.random.randint(2, 9) * 100} "
        f"{d.domain.items}: the {d.domain.main.name} then stood at {_between(d)} {d.domain.main.unit}, "
        f"because {last.name} used up its {last.kind.knob} on cases that {first.name} would have removed."
    )
    return _paragraphs(lines)


def setup(d: Outline) -> str:
    train = d.random.randint(55, 80)
    lines = [
        f"## {d.pick(('Set-up', 'Experimental set-up', 'Data and protocol'))}\n",
        (
            f"{d.dataset} holds {d.size:,} {d.domain.items} collected over {d.random.randint(3, 40)} weeks "
            f"from a {d.pick(d.domain.places)}; {train} percent were used to choose settings and "
            f"{100 - train} "
            f"percent were looked at once, at the end. Everything ran on {d.pick(d.domain.hardware)}."
        ),
        (
            f"Each figure is the mean of {d.runs} runs that differ only in their random seed; the standard "
            "deviation of "
            f"the {d.domain.main.name} was {d.random.uniform(0.2, 1.6):.1f} {d.domain.main.unit} for "
            f"{d.method} and {d.random.uniform(0.4, 2.4):.1f} for {d.rivals[0].name}. Differences below "
            f"{d.random.uniform(0.5, 1.9):.1f} {d.domain.main.unit} are not discussed."
        ),
        "The settings were: "
        + "; ".join(f"{part.kind.knob} of {part.name}, {part.value}" for part in d.parts)
        + f". They were fixed after {d.random.randint(12, 70)} trials on the first part of the data.",
    ]
    return _paragraphs(lines)


def results(d: Outline) -> str:
    main, cost = d.domain.main, d.domain.cost
    rows = [f"| {rival.name} | {rival.score} | {_rival_cost(d)} |" for rival in d.rivals]
    head = f"| approach | {main.name} ({main.unit}) | {cost.name} ({cost.unit}) |"
    table = "\n".join([head, "|---|---|---|", *rows, f"| {d.method} | {d.score} | {d.cost} |"])
    hard, easy = d.random.sample(d.parts, 2)
    lines = [
        f"## {d.pick(('Results', 'Main results', 'Figures'))}\n",
        (
            f"{d.method} reaches a {main.name} of {d.score} {main.unit} where the best earlier approach, "
            f"{d.rivals[0].name}, "
            f"reaches {d.baseline}. The {cost.name} is {d.cost} {cost.unit} against {d.cost_before}."
        ),
        table,
        (
            f"The gain is not spread evenly. On {d.domain.items} with {hard.trouble} it amounts to "
            f"{better_by(main, d.score, d.baseline) * d.random.uniform(1.3, 2.1):.1f} {main.unit}, on "
            "those with "
            f"{easy.trouble} to {better_by(main, d.score, d.baseline) * d.random.uniform(0.2, 0.7):.1f}. "
            "The difference is "
            f"explained by {hard.name}: it intervened in {d.random.randint(31, 72)} percent of the former "
            "and in "
            f"{d.random.randint(3, 24)} percent of the latter."
        ),
    ]
    return _paragraphs(lines)


def ablations(d: Outline) -> str:
    main = d.domain.main
    lines = [f"## {d.pick(('Ablations', 'What each part is worth', 'Removing the parts'))}\n"]
    for part in d.parts:
        loss = better_by(main, d.score, part.ablated)
        cost = "rises" if part.cost_change > 0 else "falls"
        consequence = d.fill(d.pick(part.kind.losses), part)
        consequence = consequence[0].lower() + consequence[1:]
        lines.append(
            d.pick(
                (
                    (
                        f"Without {part.name} the {main.name} is {part.ablated} {main.unit}, a loss of "
                        f"{loss}: {consequence}. The {d.domain.cost.name} {cost} by {abs(part.cost_change)} "
                        "percent."
                    ),
                    (
                        f"Taking out {part.name} costs {loss} {main.unit} and leaves {part.ablated}. The "
                        f"reason shows in the logs: {consequence}. At the same time the "
                        f"{d.domain.cost.name} {cost} by {abs(part.cost_change)} percent."
                    ),
                    (
                        f"When {part.name} is replaced by a constant, {consequence}; the {main.name} goes "
                        f"to {part.ablated} {main.unit} ({loss} worse), while the {d.domain.cost.name} "
                        f"{cost} by {abs(part.cost_change)} percent."
                    ),
                )
            )
        )
    pair = d.random.sample(d.parts, 2)
    together = better_by(main, d.score, pair[0].ablated) + better_by(main, d.score, pair[1].ablated)
    lines.append(
        f"Removing {pair[0].name} and {pair[1].name} together costs "
        f"{together * d.random.uniform(0.62, 0.88):.1f} "
        f"{main.unit}, less than the sum of {together:.1f}, because both guard against {pair[0].trouble}."
    )
    return _paragraphs(lines)


def sensitivity(d: Outline) -> str:
    lines = [f"## {d.pick(('Sensitivity', 'Choosing the settings', 'How robust the settings are'))}\n"]
    for part in d.random.sample(d.parts, 3):
        half, double = d.random.uniform(0.3, 4.8), d.random.uniform(0.3, 4.8)
        worse = "halving" if half > double else "doubling"
        lines.append(
            f"For {part.name}, halving the {part.kind.knob} from {part.value} costs {half:.1f} "
            f"{d.domain.main.unit} and doubling it {double:.1f}; {worse} is the more harmful because of "
            f"{part.trouble}."
        )
    return _paragraphs(lines)


def limits(d: Outline) -> str:
    part, other = d.random.sample(d.parts, 2)
    lines = [
        f"## {d.pick(('Limits', 'Limitations', 'Where it fails'))}\n",
        (
            f"{d.method} needs about {d.random.randint(2, 30) * 50} {d.domain.items} before {part.name} has "
            f"anything to work with; until then it does no better than {d.rivals[-1].name}."
        ),
        d.pick(
            (
                (
                    f"Where {other.trouble} meets {part.trouble}, {other.name} and {part.name} "
                    f"pull in opposite directions, and in {d.random.randint(4, 19)} percent of such cases "
                    "the result is worse than with neither."
                ),
                (
                    f"{other.name[0].upper()}{other.name[1:]} presumes that {other.trouble} lasts longer "
                    f"than its {other.kind.knob} of {other.value}; that was false on "
                    f"{d.random.randint(2, 11)} days."
                ),
            )
        ),
        (
            f"All data come from settings like a {d.domain.places[-1]}. Whether the {part.kind.knob} of "
            f"{part.value} suits others is open, and the {d.domain.cost.name} of {d.cost} "
            f"{d.domain.cost.unit} may be too much for some."
        ),
    ]
    return _paragraphs(lines)


def conclusion(d: Outline) -> str:
    strongest = max(d.parts, key=lambda part: better_by(d.domain.main, d.score, part.ablated))
    return (
        f"## Conclusion\n\n{d.method} shows that a {d.domain.system} can live with {strongest.trouble} "
        "if it postpones commitments and keeps account of its reversals. The single most valuable part is "
        f"{strongest.name}, worth "
        f"{better_by(d.domain.main, d.score, strongest.ablated)} {d.domain.main.unit}; the reason lies "
        f"less in the part itself than in what it spares {d.other(strongest).name}."
    )


OPENING: tuple[Section, ...] = (abstract, problem, earlier, mechanism, interplay, setup, results)
MIDDLE: tuple[Section, ...] = (ablations, sensitivity)


CLOSING: tuple[Section, ...] = (limits, conclusion)


def _part(d: Outline, number: int, part: Part) -> str:
    heading = part.name.removeprefix("the ")
    sentences = [d.fill(d.pick(part.kind.deeds), part)]
    sentences += [
        d.fill(reason, part) for reason in d.random.sample(part.kind.reasons, len(part.kind.reasons))
    ]
    sentences.append(
        d.pick(
            (
                (
                    f"Its {part.kind.knob} was set to {part.value} after {d.random.randint(3, 18)} trials; "
                    f"in the final runs {part.name} acted on {d.random.randint(4, 58)} percent of the "
                    f"{d.domain.items}."
                ),
                (
                    f"With a {part.kind.knob} of {part.value}, {part.name} needs "
                    f"{d.random.uniform(0.5, 9.5):.1f} percent of the total effort."
                ),
                (
                    f"We first tried a {part.kind.knob} {d.random.randint(2, 6)} times as large as "
                    f"{part.value}, and saw {part.trouble} slip through in {d.random.randint(6, 39)} of a "
                    "hundred cases."
                ),
            )
        )
    )
    return f"### {number}. {heading[0].upper()}{heading[1:]}\n\n" + " ".join(sentences)


def _paragraphs(lines: list[str]) -> str:
    return "\n\n".join(line.strip("\n") for line in lines)


def _names(d: Outline) -> str:
    names = [part.name for part in d.parts]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _losses(d: Outline) -> list[float]:
    return [better_by(d.domain.main, d.score, part.ablated) for part in d.parts]


def _smallest_loss(d: Outline) -> float:
    return min(_losses(d))


def _largest_loss(d: Outline) -> float:
    return max(_losses(d))


def _between(d: Outline) -> float:
    return round(d.baseline + (d.score - d.baseline) * d.random.uniform(0.2, 0.7), 1)


def _rival_cost(d: Outline) -> float:
    return round(d.cost_before * d.random.uniform(0.8, 1.4), 1)


def _number_word(count: int) -> str:
    return {4: "four", 5: "five", 6: "six"}[count]
