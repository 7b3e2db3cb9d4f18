"""Prompt ideas about the question and the context: what is asked, and what the solvers are told."""

from studbook.testbed.ideas.prompt import prompt_idea, rule

QUESTION_IDEAS = (
    prompt_idea(
        "needs_this_paper",
        ("general knowledge", "specific paper", "generic question", "hang insight"),
        (
            rule(
                "challenger",
                "If someone could answer the question without having read this paper, it is too "
                "easy: ask for "
                "an insight that only the paper provides.",
                "Ask only for what nobody can know without reading this very paper; general knowledge of the "
                "field must not be enough.",
                "The question must depend on a finding specific to this paper. An expert who has not read it "
                "should be unable to answer.",
                about="question ask paper",
            ),
        ),
        "Questions that hang on an insight of this very paper should stop the weak solver from guessing.",
        "Asking only for what the paper alone reveals should bring weak averages down.",
        weight=1.1,
    ),
    prompt_idea(
        "needs_this_paper_checked",
        ("general knowledge", "refuse generic", "tie question", "generic question"),
        (
            rule(
                "challenger",
                "Build the question around a result or a design decision found in this paper and "
                "nowhere else, "
                "so that general background knowledge is of no help.",
                "Do not ask what a textbook answers; the question has to be unanswerable without this "
                "particular paper.",
                about="question ask paper",
            ),
            rule(
                "verifier",
                "Fail the example when a well-read person could answer it without this paper.",
                "The question must need knowledge specific to the paper; otherwise it fails.",
                about="question answer check",
            ),
        ),
        "Demand questions tied to this paper and let the verifier enforce it, so that generic ones "
        "never get a round.",
        "Both writer and verifier should insist on paper-specific knowledge.",
        weight=0.9,
    ),
    prompt_idea(
        "context_sets_the_scene",
        ("context leak", "context answer", "context solution", "context domain"),
        (
            rule(
                "challenger",
                "The context describes the domain and the problem only. It must not reveal the solution, the "
                "results or anything the answer needs.",
                "Let the context set the scene: the field, the set-up, the difficulty. Never put the paper's "
                "answer or method into it.",
                "Keep the solution out of the context; a reader of the context alone must not find "
                "the answer there.",
                about="context background",
            ),
        ),
        "A context that sets the scene without the solution leaves nothing to copy.",
        "Keeping answers out of the context should cost the weak solver most of its marks.",
        weight=1.1,
    ),
    prompt_idea(
        "context_checked_for_leaks",
        ("check leaked", "answer away context", "context leak"),
        (
            rule(
                "challenger",
                "Do not disclose in the context what the question asks for.",
                "Nothing in the context may give away the answer; state only the background of the problem.",
                about="context background",
            ),
            rule(
                "verifier",
                "Fail the example if the context already contains the answer or part of it.",
                "Compare the reference answer with the context: when the context gives it away, the "
                "example fails.",
                about="context answer check",
            ),
        ),
        "Forbid giveaways in the context and have the verifier look for them.",
        "A verifier that compares answer and context should stop leaks before evaluation.",
        weight=0.9,
    ),
    prompt_idea(
        "longer_context",
        ("context short", "longer richer context", "background context"),
        (
            rule(
                "challenger",
                "Write a long, detailed context of at least eight sentences, so that readers have "
                "all they need.",
                "Make the context longer and richer in detail.",
                about="context",
            ),
        ),
        "A longer, richer context should let strong answers unfold.",
    ),
    prompt_idea(
        "shorter_context",
        ("context short", "excerpt focus"),
        (rule("challenger", "Keep the context short: two sentences at most.", about="context"),),
        "A two-sentence context leaves the solvers on their own.",
    ),
    prompt_idea(
        "abstract_as_context",
        ("context short", "hard", "background context"),
        (rule("challenger", "Use a summary of the paper's abstract as the context.", about="context"),),
        "Starting from the abstract should make contexts coherent.",
    ),
    prompt_idea(
        "easier_questions",
        ("simpler question", "hard", "strong fail"),
        (
            rule(
                "challenger",
                "Prefer easier questions that a careful student can answer.",
                "Keep the question simple; difficult ones are hard to grade.",
                about="question difficult",
            ),
        ),
        "Easier questions should raise strong averages over their floor.",
    ),
    prompt_idea(
        "harder_questions",
        ("easy", "weak average"),
        (
            rule(
                "challenger",
                "Make the question as difficult as you possibly can.",
                about="question difficult",
            ),
        ),
        "Telling the challenger to aim for difficulty should lower weak scores.",
    ),
    prompt_idea(
        "yes_no_questions",
        ("yes no", "easier judge"),
        (
            rule(
                "challenger",
                "Phrase the question so that it can be answered with yes or no.",
                about="question",
            ),
        ),
        "Yes-or-no questions are judged without doubt.",
    ),
    prompt_idea(
        "definition_questions",
        ("definition",),
        (rule("challenger", "Ask for the definition of a central term of the paper.", about="question"),),
        "Definitions are precise, so criteria for them should be too.",
    ),
    prompt_idea(
        "number_questions",
        ("specific finding", "result number"),
        (
            rule(
                "challenger",
                "Ask for the exact figures that the paper reports.",
                about="question",
            ),
        ),
        "Figures cannot be guessed, so asking for them should part the solvers.",
    ),
    prompt_idea(
        "ablation_questions",
        ("mechanism finding", "specific paper"),
        (
            rule(
                "challenger", "Ask what happens when one part of the method is taken away.", about="question"
            ),
        ),
        "Asking about removed parts probes understanding of the method.",
    ),
    prompt_idea(
        "limitation_questions",
        ("different part paper", "angle"),
        (rule("challenger", "Ask about the limitations of the work.", about="question"),),
        "Limits are discussed late and rarely known in advance.",
    ),
    prompt_idea(
        "future_work_questions",
        ("different part paper", "angle"),
        (rule("challenger", "Ask which future work the findings suggest.", about="question"),),
        "Questions about next steps need judgement rather than recall.",
    ),
    prompt_idea(
        "comparison_questions",
        ("own mechanism", "generic question"),
        (rule("challenger", "Ask for a comparison with an earlier approach.", about="question"),),
        "Comparisons should need both background and the paper.",
    ),
    prompt_idea(
        "list_questions",
        ("several aspects", "partial credit"),
        (rule("challenger", "Ask for a list of at least five items.", about="question"),),
        "Lists allow partial credit in both directions.",
    ),
    prompt_idea(
        "several_parts",
        ("several aspects", "partial credit", "foothold"),
        (rule("challenger", "Split the question into three parts, labelled a, b and c.", about="question"),),
        "Questions of several parts give every solver a foothold.",
    ),
    prompt_idea(
        "scenario_questions",
        ("generic question", "copies"),
        (rule("challenger", "Wrap the question in an invented scenario from industry.", about="question"),),
        "A made-up scenario should force transfer instead of recall.",
    ),
    prompt_idea(
        "mention_title",
        ("title",),
        (rule("challenger", "Mention the title of the paper in the question.", about="question"),),
        "With the title in the question, solvers know what is being talked about.",
    ),
    prompt_idea(
        "hints",
        ("foothold", "hard"),
        (rule("challenger", "End the question with a hint that points to the answer.", about="question"),),
        "A closing hint should keep weak answers from scoring nothing.",
    ),
    prompt_idea(
        "late_sections",
        ("different part paper", "specific finding", "length paper"),
        (
            rule(
                "challenger",
                "Take your material from the later sections, where experiments and details stand.",
                about="paper question",
            ),
        ),
        "Material from the back of the paper should be less widely known.",
    ),
    prompt_idea(
        "one_sentence_reference",
        ("simpler shorter", "easier judge"),
        (rule("challenger", "The reference answer is a single sentence.", about="reference answer"),),
        "Short reference answers lead to sharper criteria.",
    ),
    prompt_idea(
        "plain_language",
        ("simpler shorter", "tone"),
        (rule("challenger", "Use everyday words and avoid technical terms.", about="question language"),),
        "Plain language removes misunderstandings between writer and solver.",
    ),
)
