"""Prompt ideas about the rubric, the reply's form, the verifier, the feedback and the manner of asking."""

from studbook.testbed.ideas.idea import Idea
from studbook.testbed.ideas.prompt import prompt_idea, removing, rule

_PENALTIES = r"negativ|penal|minus|[-−]\d+\s*(to|and|…|-)\s*[-−]?\d+|below zero"

RUBRIC_IDEAS = (
    prompt_idea(
        "rewarding_rubric",
        ("positive criteria", "negative criteria", "drop negative", "penalt misfire", "demanding negative"),
        (
            rule(
                "rubric",
                "Use positive criteria only: every criterion rewards something a good answer says. "
                "Weights are "
                "whole numbers from 1 to 7.",
                "Write no negative criteria. Each criterion earns points, and no weight is above 7.",
                about="rubric criteria weight negative",
                instead_of=_PENALTIES,
                swaps=((r"from 1 to 10\b", "from 1 to 7"), (r"\(1 to 10\)", "(1 to 7)")),
            ),
            rule(
                "verifier",
                "The rubric must not contain negative criteria.",
                "Every criterion has to reward something; a rubric with negative weights fails.",
                about="rubric criteria",
                instead_of=_PENALTIES,
            ),
        ),
        "Reward only: penalties were hitting correct answers, so neither rubric nor verifier should "
        "ask for them.",
        "Without negative criteria strong answers should keep the points they earn; weights stay modest.",
        weight=1.1,
    ),
    prompt_idea(
        "rewarding_rubric_half",
        ("negative criteria", "penalt misfire"),
        (
            rule(
                "rubric",
                "Leave out criteria that take points away, and keep every weight at seven or less.",
                "There should be no penalties in the rubric.",
                about="rubric criteria weight negative",
                instead_of=_PENALTIES,
            ),
        ),
        "Take penalties out of the rubric guide, since they misfire on correct answers.",
        weight=0.6,
    ),
    prompt_idea(
        "more_penalties",
        ("harsher penalt", "penalt separate", "weak average"),
        (
            rule(
                "rubric",
                "Add at least six negative criteria for common mistakes, with weights of -8 and below.",
                about="negative criteria weight",
            ),
        ),
        "More and harsher penalties should push weak answers down.",
    ),
    prompt_idea(
        "precise_penalties",
        ("penalt misfire", "negative criteria"),
        (
            rule(
                "rubric",
                "A negative criterion names one specific false statement, never a mere omission.",
                about="negative criteria",
            ),
        ),
        "Penalties that name one false statement should misfire less.",
    ),
    prompt_idea(
        "weight_limit",
        ("cap weight", "modest weight", "weight beyond"),
        (rule("rubric", "No criterion weighs more than 7.", about="weight criteria"),),
        "Capping the weights should steady the scores.",
    ),
    prompt_idea(
        "decisive_criteria",
        ("size rubric", "separate"),
        (
            rule(
                "rubric",
                "Give one decisive criterion a weight of 10 and the others 1.",
                about="weight criteria",
            ),
        ),
        "One decisive criterion should separate who knows from who guesses.",
    ),
    prompt_idea(
        "uniform_weights",
        ("weight noise", "simpler ones"),
        (rule("rubric", "All criteria carry the same weight.", about="weight criteria"),),
        "Equal weights take arbitrariness out of the rubric.",
    ),
    prompt_idea(
        "fewer_criteria",
        ("fewer criteria", "fewer simpler", "number criteria"),
        (rule("rubric", "Write at most four criteria.", about="criteria rubric"),),
        "Four criteria are judged with more care than fifteen.",
    ),
    prompt_idea(
        "more_criteria",
        ("number criteria", "criteria unlucky", "penalt separate"),
        (rule("rubric", "Write at least eighteen criteria.", about="criteria rubric"),),
        "A longer rubric should average out errors of judgement.",
    ),
    prompt_idea(
        "atomic_criteria",
        ("criteria simple", "partial credit"),
        (rule("rubric", "Each criterion checks a single fact.", about="criteria"),),
        "Single-fact criteria should be marked more reliably.",
    ),
    prompt_idea(
        "holistic_criteria",
        ("size rubric", "simpler ones"),
        (rule("rubric", "Prefer broad criteria about overall understanding.", about="criteria"),),
        "Broad criteria look at understanding instead of wording.",
    ),
    prompt_idea(
        "criteria_beyond_context",
        ("copied context", "criteria copied"),
        (rule("rubric", "No criterion may be met by repeating the context.", about="criteria context"),),
        "Criteria that go beyond the context should not be met by copying.",
    ),
    prompt_idea(
        "style_criteria",
        ("formal register", "tone"),
        (rule("rubric", "Include criteria on clarity, structure and style.", about="criteria"),),
        "Style criteria should reward the better writer, who is the strong solver.",
    ),
)

FORM_IDEAS = (
    prompt_idea(
        "strict_form",
        ("strict json", "state output format", "string weight", "valid json"),
        (
            rule(
                "form",
                "Reply with one valid JSON object and nothing else; weights are bare integers, never "
                "strings.",
                "Your whole reply must be strict JSON, with no text or fences around it. A weight is "
                "an integer "
                'such as 5, not "+5".',
                "Return only a JSON object that a strict parser accepts. Write each weight as a "
                "plain whole number.",
                about="reply json format output",
            ),
        ),
        "Strict JSON with integer weights should end the loss of rounds to unreadable replies.",
        "Saying exactly what form a reply has should make every draft readable.",
        weight=1.1,
    ),
    prompt_idea(
        "strict_form_checked",
        ("output format", "json", "malformed"),
        (
            rule(
                "form",
                "Output pure JSON without any commentary. Each weight is an integer without quotes "
                "or plus sign.",
                about="reply json format output",
            ),
            rule(
                "verifier",
                "A weight that is not a plain integer fails the example.",
                about="rubric weight check",
            ),
        ),
        "Ask for pure JSON and have the verifier mind the weights.",
        weight=0.7,
    ),
    prompt_idea(
        "yaml_form",
        ("output format", "text around object"),
        (rule("form", "You may answer in YAML when that is easier for you.", about="reply json format"),),
        "YAML has fewer brackets to get wrong.",
        weight=0.5,
    ),
    prompt_idea(
        "commented_form",
        ("output format", "scratchpad"),
        (
            rule(
                "form",
                "Add a short comment after each criterion of the JSON.",
                about="json format rubric",
            ),
        ),
        "Comments beside the criteria should keep the challenger honest.",
        weight=0.5,
    ),
    prompt_idea(
        "think_step_by_step",
        ("thinking step", "scratchpad", "reasoning"),
        (
            rule(
                "challenger",
                "Think step by step before you write: note the key insights in a scratchpad first.",
                "Reason aloud first, then give the result.",
                about="write steps",
            ),
        ),
        "Thinking ahead in a scratchpad should bring deeper questions.",
    ),
    prompt_idea(
        "formal_tone",
        ("formal register", "tone"),
        (rule("challenger", "Keep a formal, academic tone throughout.", about="style tone"),),
        "A formal register should raise the level of the questions.",
    ),
    prompt_idea(
        "courtesy",
        ("courtesy", "tone"),
        (
            rule(
                "challenger",
                "Please take your time, and thank you for your careful work.",
                "We are grateful for your help with this important task.",
                about="task",
            ),
        ),
        "A courteous request may bring more careful work.",
    ),
    prompt_idea(
        "persona",
        ("persona", "expert"),
        (
            rule(
                "challenger",
                "You are a world-famous professor with thirty years of teaching, known for memorable "
                "examinations.",
                about="task you",
            ),
        ),
        "An expert persona should make for expert questions.",
    ),
    prompt_idea(
        "stakes",
        ("tone", "expert"),
        (
            rule(
                "challenger",
                "Much depends on your work: do it as well as you possibly can.",
                about="task you",
            ),
        ),
        "Naming the stakes may raise the effort.",
    ),
    prompt_idea(
        "lenient_verifier",
        ("relax verifier", "verifier fewer", "verifier strict", "attempts verifier"),
        (
            rule(
                "verifier",
                "When in doubt, pass the example; small flaws do not matter.",
                "Be lenient: fail only what is plainly unusable.",
                about="pass fail",
            ),
        ),
        "A lenient verifier leaves more rounds for measuring.",
    ),
    prompt_idea(
        "strict_verifier",
        ("verifier lenient", "check beforehand"),
        (
            rule(
                "verifier",
                "Be as strict as you can: fail the example at the slightest doubt.",
                about="pass fail",
            ),
        ),
        "A stricter verifier should let only the best examples through.",
    ),
    prompt_idea(
        "verifier_explains",
        ("verifier role", "feedback steer"),
        (rule("verifier", "Explain your verdict in one short sentence.", about="feedback pass"),),
        "Short feedback from the verifier is easier to act upon.",
    ),
    prompt_idea(
        "another_angle",
        ("another angle", "different part", "repeat", "feedback demand"),
        (
            rule(
                "feedback",
                "Turn to a part of the paper that none of the earlier attempts touched.",
                "Choose another topic of the paper this time; do not vary an earlier question.",
                about="question angle",
            ),
        ),
        "Sending the challenger to an untouched part of the paper should end the rewording.",
    ),
    prompt_idea(
        "mild_feedback",
        ("feedback confuse", "list failures"),
        (rule("feedback", "Small changes to the last attempt are enough.", about="question angle"),),
        "Small steps from the last attempt waste less of what was right.",
    ),
)

REMOVALS: tuple[Idea, ...] = (
    Idea(
        name="no_checks_of_counts",
        hypotheses=("Take the counting rules out of the verifier, which turn back usable examples.",),
        cues=("verifier strict counts", "relax verifier"),
        edit=removing(
            "verifier", r"at least (\d+|one|two|three|four|five|ten)|exactly \d+|between \d+ and \d+"
        ),
        touches_code=False,
        weight=0.8,
    ),
    Idea(
        name="no_ban_on_explaining",
        hypotheses=("Drop the ban on explanatory questions, which may be what strong solvers do best.",),
        cues=("strong fail", "question wrong level"),
        edit=removing("challenger", r"explain why|do not ask (for|why|how)|avoid questions"),
        touches_code=False,
        weight=0.8,
    ),
)

MANNER_IDEAS = (*RUBRIC_IDEAS, *FORM_IDEAS, *REMOVALS)
