"""What the mechanisms of synthetic papers are built of: parts with a deed, a reason, a price and a knob.

Plain data. `{name}` is the part's invented name, `{items}` and `{system}` come from
the domain, `{trouble}` is one of its troubles, `{value}` the part's setting, `{other}` another part.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PartKind:
    noun: str
    deeds: tuple[str, ...]
    reasons: tuple[str, ...]
    losses: tuple[str, ...]
    link: str
    knob: str
    unit: str
    low: float
    high: float


PART_KINDS = (
    PartKind(
        noun="gate",
        deeds=(
            (
                "{name} holds back any of the {items} whose two independent estimates disagree by more than "
                "{value}."
            ),
            (
                "Before anything else, {name} compares two cheap estimates and lets the {items} pass only "
                "when they lie within {value} of each other."
            ),
        ),
        reasons=(
            (
                "Disagreement is used instead of low confidence because under {trouble} both estimators "
                "stay confident while at least one is wrong."
            ),
            (
                "The two estimates are computed from disjoint halves of the evidence, since errors caused "
                "by {trouble} are then unlikely to agree by accident."
            ),
        ),
        losses=(
            "the wrong {items} enter early and every later stage builds on them",
            "confident mistakes pass unnoticed, and {other} spends its effort on repairing them",
        ),
        link="Whatever {name} holds back is queued for {other}, which sees it once the rest is settled.",
        knob="disagreement bound",
        unit="percentage points",
        low=4,
        high=19,
    ),
    PartKind(
        noun="ledger",
        deeds=(
            ("{name} writes down, for each group of {items}, how often the last {value} had to be reversed."),
            "A small table, {name}, keeps the reversal count over a window of {value} per group.",
        ),
        reasons=(
            (
                "Counting reversals rather than errors works because under {trouble} the true outcome "
                "arrives too late, whereas a reversal is visible at once."
            ),
            (
                "The window is kept short on purpose: a long memory would average {trouble} away just when "
                "it begins."
            ),
        ),
        losses=(
            "the {system} repeats the same reversal for days",
            "groups that have become unreliable keep the trust they earned earlier",
        ),
        link="{other} reads {name} and doubles its caution for a group whose count has risen twice in a row.",
        knob="window",
        unit="decisions",
        low=24,
        high=190,
    ),
    PartKind(
        noun="sampler",
        deeds=(
            "{name} revisits old {items} with a probability that halves every {value}.",
            "Past {items} are replayed by {name}; the chance of replay halves after each {value}.",
        ),
        reasons=(
            (
                "A halving schedule is chosen because {trouble} leaves traces at several time scales, and "
                "uniform replay would drown the recent ones."
            ),
            (
                "Replay is needed since {trouble} comes in episodes: between two episodes the {system} "
                "would otherwise forget how the last one looked."
            ),
        ),
        losses=(
            "the {system} adapts to the quiet period and is caught out by the next episode",
            "the first hundred {items} of each new episode are handled as badly as in the very first one",
        ),
        link="{name} draws first from what {other} has marked, so that rare cases are not crowded out.",
        knob="half-life",
        unit="steps",
        low=150,
        high=2400,
    ),
    PartKind(
        noun="splitter",
        deeds=(
            (
                "{name} cuts the stream of {items} wherever the local variance exceeds {value}, taken "
                "over a window."
            ),
            (
                "Segments are formed by {name}, which starts a new one as soon as variance passes "
                "{value} of the window."
            ),
        ),
        reasons=(
            (
                "The median is used because a mean would be pulled up by {trouble} itself and the cut would "
                "come too late."
            ),
            (
                "Cutting by variance rather than by length matters, as {trouble} rarely respects fixed "
                "boundaries."
            ),
        ),
        losses=(
            "one segment mixes two regimes and its summary describes neither",
            "segments of fixed length put the change into their middle, where {other} cannot see it",
        ),
        link="Each segment is handed to {other} as a whole, never in pieces.",
        knob="variance ratio",
        unit="times the median",
        low=1.6,
        high=4.8,
    ),
    PartKind(
        noun="anchor",
        deeds=(
            (
                "{name} fixes {value} whose answer is known beyond doubt and measures all {items} "
                "against them."
            ),
            "A set of {value}, called {name}, is kept apart and never adjusted.",
        ),
        reasons=(
            (
                "References must stay untouched, because if they were updated as well, {trouble} would move "
                "the scale together with the thing being measured."
            ),
            (
                "Relative measurement helps since {trouble} shifts all {items} alike, and a common shift "
                "cancels against the references."
            ),
        ),
        losses=(
            "slow drift goes unseen, because everything drifts together",
            "absolute readings wander with {trouble} and thresholds lose their meaning",
        ),
        link="{other} is recalibrated against {name} once per pass and at no other time.",
        knob="reference set size",
        unit="reference items",
        low=18,
        high=140,
    ),
    PartKind(
        noun="auction",
        deeds=(
            ("In {name}, competing hypotheses bid for the {items}; a bid below {value} is discarded."),
            ("{name} lets hypotheses bid with their past accuracy and drops bids under {value}."),
        ),
        reasons=(
            (
                "Bidding with past accuracy works because a hypothesis that explains {trouble} well is "
                "rarely the one that explains ordinary {items} best."
            ),
            (
                "Losers keep their stake, as a hypothesis that is wrong today is often right when {trouble} "
                "returns."
            ),
        ),
        losses=(
            "the most general hypothesis wins everywhere and the special cases are lost",
            "all hypotheses are averaged, and the average fits {trouble} worse than any of them",
        ),
        link="The winner of {name} is what {other} refines; the runner-up is kept for one more round.",
        knob="discard ratio",
        unit="of the highest bid",
        low=0.35,
        high=0.85,
    ),
    PartKind(
        noun="damper",
        deeds=(
            ("{name} limits how far one update may move the {system}: at most {value} to the new estimate."),
            "Updates pass through {name}, which applies no more than {value} between old state and new.",
        ),
        reasons=(
            (
                "The limit is proportional and not absolute because {trouble} produces few but huge "
                "corrections, and an absolute limit would also slow the small, correct ones."
            ),
            (
                "Damping is placed after the estimate, since damping the inputs would hide {trouble} from "
                "every other part."
            ),
        ),
        losses=(
            "a single burst throws the {system} off, and it oscillates for several passes",
            "corrections overshoot and {other} has to undo them",
        ),
        link="When {other} reports agreement twice, {name} is released for one step.",
        knob="step fraction",
        unit="of the distance",
        low=0.12,
        high=0.64,
    ),
    PartKind(
        noun="mirror",
        deeds=(
            (
                "{name} runs every decision a second time on {items} in reverse order and keeps only what "
                "both orders agree on, up to a tolerance of {value}."
            ),
            "Order effects are removed by {name}: forward and backward passes must agree within {value}.",
        ),
        reasons=(
            (
                "A backward pass is worth its price because {trouble} affects what comes after it, not what "
                "comes before, so the two passes fail in different places."
            ),
            (
                "Agreement of both directions is demanded since {trouble} makes greedy choices early that "
                "no later evidence can undo in one direction."
            ),
        ),
        losses=(
            "early greedy choices survive to the end",
            "results depend on the order in which the {items} happened to arrive",
        ),
        link="Where the directions disagree, {other} decides, and it alone.",
        knob="tolerance",
        unit="percent",
        low=2,
        high=13,
    ),
    PartKind(
        noun="filter bank",
        deeds=(
            (
                "{name} looks at the {items} at {value} at once and passes on the coarsest one "
                "that still changes the decision."
            ),
            ("Among {value}, {name} selects the coarsest that leaves the decision unchanged when refined."),
        ),
        reasons=(
            (
                "The coarsest sufficient resolution is preferred because detail beyond it is mostly "
                "{trouble}, which finer views reproduce faithfully."
            ),
            (
                "Choosing per item matters, since {trouble} touches some of the {items} at fine and others "
                "at coarse scale."
            ),
        ),
        losses=(
            "fine detail is taken seriously even where it is only noise",
            "cost grows by the finest resolution while nothing is gained on most {items}",
        ),
        link="{other} receives the chosen resolution along with the data and adapts its own step to it.",
        knob="number of resolutions",
        unit="resolutions",
        low=3,
        high=9,
    ),
    PartKind(
        noun="quarantine",
        deeds=(
            (
                "{name} sets aside the {items} that moved the result by more than {value} and admits them "
                "again only in pairs."
            ),
            (
                "Influential {items}, those that shift the outcome by over {value}, wait in {name} until a "
                "second one points the same way."
            ),
        ),
        reasons=(
            (
                "Pairs are required because a single extreme case is usually {trouble}, while two "
                "independent ones in the same direction seldom are."
            ),
            (
                "Influence is measured instead of size, since {trouble} can look ordinary in value and "
                "still decide the outcome."
            ),
        ),
        losses=(
            "single outliers steer the {system}",
            "robust averaging throws the true rare cases out together with the false ones",
        ),
        link="{other} is never shown anything that is still in {name}.",
        knob="influence limit",
        unit="percent of the result",
        low=3,
        high=16,
    ),
    PartKind(
        noun="clock",
        deeds=(
            (
                "{name} schedules work by remaining slack: {items} with less than {value} left go first, "
                "the others wait for a full batch."
            ),
            "Batches are opened by {name} once any of the {items} has under {value} of slack.",
        ),
        reasons=(
            "Slack is a better key than age because {trouble} makes old work harmless and young work urgent.",
            (
                "Waiting for full batches is safe above the limit, as {trouble} costs far more in fixed "
                "start-up than in running time."
            ),
        ),
        losses=(
            "urgent {items} stand behind a batch that could have waited",
            "batches are opened half empty and the start-up cost is paid twice",
        ),
        link="{name} yields its turn whenever {other} asks for a second look.",
        knob="slack threshold",
        unit="seconds",
        low=1.5,
        high=48,
    ),
    PartKind(
        noun="sketch",
        deeds=(
            (
                "{name} summarises the {items} in {value} that two runs can add up without seeing "
                "each other's data."
            ),
            "State is kept in {name}, an additive summary of {value}.",
        ),
        reasons=(
            (
                "Additivity matters because {trouble} is spread over sites, and only sums survive being "
                "collected late and out of order."
            ),
            (
                "Counters are hashed by cause and not by item, since {trouble} multiplies items but hardly "
                "ever causes."
            ),
        ),
        losses=(
            "sites have to exchange raw {items}, and the slowest one sets the pace",
            "memory grows with the number of {items} and the summary is cut at the worst moment",
        ),
        link="{other} needs nothing but {name}, which is why it can run elsewhere.",
        knob="summary width",
        unit="counters",
        low=256,
        high=6100,
    ),
    PartKind(
        noun="probe",
        deeds=(
            ("{name} spends {value} on deliberately wrong {items} to learn how the {system} fails today."),
            "A fixed {value} goes into {name}, which plants known faults and watches for them.",
        ),
        reasons=(
            (
                "Planted faults are informative because {trouble} changes the way of failing long before it "
                "changes the failure rate."
            ),
            (
                "The share is constant, as a share that fell when all looked well would be smallest at the "
                "onset of {trouble}."
            ),
        ),
        losses=(
            "the {system} learns of a new way to fail from its users",
            "quality estimates stay flat while quality falls",
        ),
        link="A fault missed by {name} lowers the weight of {other} for one epoch.",
        knob="probe share",
        unit="percent of the budget",
        low=1.2,
        high=7.5,
    ),
    PartKind(
        noun="braid",
        deeds=(
            (
                "{name} interleaves {value} of weak learners so that each is trained on what its left "
                "neighbour got wrong and tested on what its right neighbour got right."
            ),
            "The {value} of {name} pass their mistakes to one side and their successes to the other.",
        ),
        reasons=(
            (
                "Passing only mistakes would let {trouble} dominate after a few strands; the successes "
                "coming from the other side hold the balance."
            ),
            "A ring is used and not a chain because the last strand of a chain sees nothing but {trouble}.",
        ),
        losses=(
            "late learners specialise in noise",
            "the ensemble agrees with itself and is wrong together",
        ),
        link="{other} takes one strand out per epoch, and the ring closes around the gap.",
        knob="strand count",
        unit="strands",
        low=4,
        high=15,
    ),
    PartKind(
        noun="valve",
        deeds=(
            (
                "{name} closes for {value} after each change of regime, and during that time the {system} "
                "answers from its last stable state."
            ),
            "After a regime change {name} withholds updates for {value}.",
        ),
        reasons=(
            (
                "A pause helps because the first {items} after {trouble} are the least typical ones, and "
                "learning from them costs more than waiting."
            ),
            (
                "Old answers are kept meanwhile since, under {trouble}, a stale answer is wrong by little "
                "and a hasty one by much."
            ),
        ),
        losses=(
            "the {system} learns the transition in place of the new regime",
            "every change is answered twice: once too early and once to undo it",
        ),
        link="{other} is the only part that may open {name} before its time.",
        knob="closing time",
        unit="minutes",
        low=2,
        high=35,
    ),
    PartKind(
        noun="compass",
        deeds=(
            (
                "{name} estimates which way an error points, not how large it is, and corrects by a fixed "
                "{value}."
            ),
            "Only the sign of the error is used by {name}; each correction amounts to {value}.",
        ),
        reasons=(
            (
                "Signs are kept because {trouble} distorts magnitudes by an order of magnitude and almost "
                "never flips a direction."
            ),
            (
                "A fixed step is enough, as {trouble} makes any estimate of the right step older than the "
                "error itself."
            ),
        ),
        losses=(
            "rare large errors dictate the course",
            "steps scale with noise and the {system} walks in circles",
        ),
        link="Three equal signs in a row make {name} call on {other}.",
        knob="correction step",
        unit="percent",
        low=0.4,
        high=3.6,
    ),
)
