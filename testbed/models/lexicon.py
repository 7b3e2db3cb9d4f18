"""The words by which the testbed knows a thing: sets of synonyms ("slots"), one per idea.

Entries are stemmed, so one form stands for its inflections. ".." in an entry allows eight words between.
Nothing here knows concepts; `frames.py` combines slots into them.
"""

from collections.abc import Mapping
from types import MappingProxyType


def _compile(entries: str) -> tuple[str, ...]:
    return tuple(" ".join(entry.split()) for entry in entries.split(",") if entry.strip())


_SLOTS = {
    # things a prompt speaks of
    "context": """
        context, background, preamble, passage, lead in, introductory text, given text, given information,
        information given, material given, scene, supplied text, setting text, briefing
    """,
    "question": "question, query, task, item, prompt",
    "asked": """
        question, query, task, ask, answer, answering, solve, challenge, item, inquire, enquire, respond,
        full marks, marks, get .. right, succeed
    """,
    "topic": """
        question, query, task, ask, inquire, focus, target, concentrate, center, centre, probe, test,
        examine, address, about, aim, cover, explore, emphasise, emphasize, prefer, seek, build
    """,
    "criterion": "criterion, criteria, rubric, rubric item, grading, marking scheme, scoring, checklist",
    "rubric": "criterion, criteria, rubric, item, checklist, entry",
    "weight": "weight, weighting, weigh, point value, points, score value",
    "paper": "paper, document, source, article, manuscript, publication, study, work, text, authors",
    "reply": "reply, output, response, respond, answer, return, emit, produce, message, write, send, result",
    "json": "json",
    "answer": """
        answer, solution, result, finding, conclusion, insight, outcome, explanation, key idea, punchline,
        resolution, mechanism, solve, solved, reference, response, contribution, remedy, resolve, settle, what
        the question, what is asked, what is being asked, what it asks, what was found, spoiler, what the
        author, what the rubric, what the criteria, the rubric rewards, criteria reward
    """,
    # what is done to an answer
    "reveal": """
        reveal, contain, include, give, state, disclose, expose, spoil, leak, mention, say, tell, show,
        present, spell out, betray, describe, provide, give away, hold, explain, divulge, share, supply,
        offer, appear, hint, spill, put, repeat, quote, copy, anticipate, cover, carry, have, bring, place,
        feature, be found, to find, find the, find it, find an, found in, found there
    """,
    "spill": "reveal, leak, give away, give .. away, spoil, spill, disclose, betray, divulge, expose",
    "withhold": """
        withhold, hide, omit, exclude, leave out, leave .. out, keep .. out, kept .. out, keep .. back, kept
        .. back, kept .. from, hold back, hold .. back, conceal, reserve, save .. for, keep .. secret, keep
        .. from, strip, keep .. to yourself, remain silent, silent about, silent on, say nothing, says
        nothing, stop short, stops short, in the dark, left out, left .. out, end before, stop before, keep
        quiet, stay quiet, stay silent, keep silent, absent from, missing from, no place in, not
        belong in, stay .. out,
        stays .. out, unmentioned, unsaid, untold, free of, devoid of
    """,
    "approach": """
        approach, method, technique, trick, idea, about how, silent on how, how the authors, how it was,
        how it is solved, key step
    """,
    "setup": """
        domain, set up, setup, setting, field, problem statement, problem, situation, scene, groundwork,
        area, background, starting point, circumstances
    """,
    "only": """
        only, just, merely, solely, exclusively, nothing else, nothing more, nothing beyond, nothing but, no
        more than, limit, confine, restrict, stop at, purely, alone, entirely, at all times, no other
    """,
    "possible": """
        can be answered, could be answered, be answered, able to answer, able to solve, answer .. from,
        answered from, solved from, suffice, sufficient, enough to answer, derive, deduce, work out, infer,
        copy .. from, read off
    """,
    # what makes a question one of this paper
    "need": """
        need, indispensable, essential, necessary, look up, looked up, come from, taken from, obtain ..
        from,
        reliance, should take, must take, it takes, require, depend, rely, hinge, demand, rest on,
        call for,
        necessitate, draw on, ground, build
        on, turn on, presuppose, tie, anchor, root, base, force, bind, bound, rooted
    """,
    "specific": """
        specific, particular, unique, peculiar, distinctive, own, idiosyncratic, found only, only found,
        only .. in, nowhere else, nowhere but, set .. apart, sets .. apart, stand out, exclusive, itself,
        concrete, only this, this one
    """,
    "detail": """
        detail, fact, insight, finding, specific, particular, discovery, decision, observation, evidence,
        knowledge, information, peculiarity, idea, technique, design choice, mechanism, understanding,
        result, content
    """,
    "read": """
        read, reading, work through, worked through, go through, gone through, access, consult, see, seen,
        study, possess, know, reader, look at, open, examine,
        hand
    """,
    "without": """
        without, unless, lacking, never saw, not read, never read, not seen, never seen, not have .. read,
        no access, outside, elsewhere than, not with, skipped, missed, never had, not had, cannot see,
        cannot consult, not opened,
        never opened, not know,
        unaware, has not, having not
    """,
    "suffice": "suffice, sufficient, enough, answer, of help, helps, will do, get by, do the job",
    "source": "paper, document, source, article, manuscript",
    "paper_alone": """
        paper alone, document alone, article alone, source alone, only this paper, only the paper, this
        paper only
    """,
    "lost": """
        nowhere, dead end, lost, stuck, helpless, at a loss, no chance, in the dark, clueless, struggle,
        stranded, nothing to go on, not a chance
    """,
    "generic": """
        generic, general knowledge, common knowledge, textbook, commonplace, vague, boilerplate, well known,
        common sense, widely known, background knowledge, prior knowledge, world knowledge, broad knowledge,
        first principles, expert .. know, specialist .. know, would know, from memory, outsider, different
        paper, another paper, everybody .. know, everyone
        .. know, anyone .. know, anybody .. know, know
        already, already know, any paper, other papers, general education, general, common
    """,
    "guess": "guess, guessable, guesswork, luck",
    # rubrics
    "negative": """
        negative, negatively, penalty, penalise, penalize, punish, deduct, deduction, subtract, demerit,
        minus, take .. away, takes points, take points, lose points, cost points, lower the score, remove
        points, reduce the score, below zero, below 0, under zero, under 0, less than 0, smaller than zero,
        less than zero, punitive, malus
    """,
    "swap": "replace, convert, turn, recast, exchange, substitute, transform",
    "positive": """
        positive, positively, above zero, add points, add to the score, earn points, greater than zero,
        reward, credit, non negative, nonnegative, more
        than zero
    """,
    "copula": "are, is, be, being, is to be, are to be, remain, stay",
    "every": "every, each, all, any, whole, entire",
    "always": "always, must, have to, has to, should, need to, all",
    "wrapping": "markdown, fence, code block, backticks, commentary, preamble",
    "integer": """
        integer, whole number, int, natural number, json number, as number, plain number, bare number
    """,
    "string": """
        string, quote, quotation marks, quoted, plus sign, plus signs, leading plus, decimals, fraction,
        decimal
    """,
    "strictly": """
        only, just, nothing else, nothing more, consist, nothing but, nothing except, nothing other,
        solely, exclusively, strict,
        strictly, valid, pure, bare, alone, exactly one, well formed, parseable, parse, parsed, machine
        readable, and stop, directly, single, raw, loads
    """,
    "noise": """
        text, prose, commentary, comment, explanation, markdown, fence, fences, code block, backticks,
        preamble, words, remark, chatter, anything, introduction, narration, notes
    """,
    "around": """
        before, after, around, outside, surrounding, surround, besides, beside, wrap, wrapped, precede,
        follow, other than, either side, beyond, next to, json, object, reply, output, extra, additional
    """,
    "long": """
        long, longer, lengthy, extensive, generous, rich, detailed, full, more, ample, thorough, expand,
        extend, comprehensive, lengthen
    """,
    "short": """
        short, shorter, brief, concise, terse, compact, minimal, fewer, trim, cut, shorten, small, lean,
        tight
    """,
    "figure": """
        figure, numerical, numeric, quantity, quantitative, statistic, percentage, measurement, exact value,
        numbers, exact number, measured value, magnitude
    """,
    "ablation": """
        ablation, ablate, take away, taken away, removed, remove .. component, left out, switch off,
        switched off, disable, without .. component, drop .. component, removal
    """,
    "why": """
        why, reason why, reasons why, reason for, reasons for, the reason, rationale, justification,
        motivation
    """,
    "parts": """
        several parts, multiple parts, multi part, multipart, sub question, subquestion, two questions,
        three questions, several questions, more than one question, compound, sub part, multiple questions,
        two part, three part, four part, many part, into part, in part
    """,
    "one": "one question, single question, only one, one .. question, sole",
    "polar": "yes or no, yes no, true or false, true false, closed question, closed form, yes and no",
    "definition": "define, definition, meaning, terminology, glossary, what .. means",
    "many": """
        more, many, longer, larger, extra, additional, plenty, at least, rich, extensive, numerous, dozen
    """,
    "few": "few, fewer, short, shorter, small, handful, at most, less, minimal, compact, limit, reduce",
    "equal": "same, equal, equally, uniform, uniformly, identical, evenly, even",
    "heavy": """
        heavy, heavier, heavily, large, larger, high, higher, double, dominate, big, bulk, most of, strong,
        maximum, spread, concentrate, decisive
    """,
    "atomic": """
        atomic, one fact, single fact, one idea, one thing, one point, single point, short, concise, self
        contained, individually, separate, split, single claim, one claim, narrow, granular, fine grained,
        small
    """,
    "broad": "broad, holistic, overall, general, big picture, high level, whole answer, wide, comprehensive",
    "beyond": "beyond, absent from, outside, further than, more than, not .. found in, goes past, exceed",
    "repeat": "repeat, restate, copy, quote, echo, reproduce",
    "precise": "specific, particular, concrete, precise, exact, definite, explicit",
    "error": """
        error, mistake, misconception, claim, false, wrong, incorrect, fallacy, misunderstanding, confusion
    """,
    "style": """
        style, clarity, format, formatting, grammar, structure, organisation, organization, length, wording,
        readability, tone, fluency, spelling, presentation, eloquence
    """,
    "section": "section, chapter, heading, subsection",
    "name": "name, mention, cite, refer, reference, point, title, say, tell, indicate, state, label",
    "limits": """
        limitation, weakness, shortcoming, caveat, drawback, failure case, failure mode, limits,
        disadvantage, downside, pitfall
    """,
    "future": "future, next step, open problem, outlook, follow up work, further research, open question",
    "title": "title, headline",
    "hypothetical": """
        hypothetical, imaginary, invented, fictional, imagine, what if, thought experiment, make believe,
        fictitious, counterfactual, role play, story
    """,
    "brief": "one sentence, single sentence, short, brief, concise, terse, one line, few words, sentence",
    "reference": "reference answer, model answer, reference, answer",
    "hint": "hint, clue, pointer, tip, nudge, guidance",
    "give": """
        give, include, add, provide, offer, drop, supply, put, contain, insert, question, place, leave, help
    """,
    "easy": "easy, easier, undemanding, gentle, simple, simpler, beginner, basic, introductory, accessible",
    "hard": """
        hard, harder, difficult, challenging, demanding, tough, tougher, tricky, advanced, complex, expert
        level
    """,
    "think": """
        scratchpad, think, reason, brainstorm, plan, deliberate, reflect, notes, draft, analyse, analyze,
        outline
    """,
    "first": "first, before, step by step, scratchpad, out loud, aloud, beforehand, prior to",
    "plain": "plain, simple, everyday, accessible, lay, ordinary, easy, child, colloquial, non technical",
    "language": "language, words, terms, wording, vocabulary, jargon, english, sentences, phrasing",
    "jargon": "jargon, technical terms, technical vocabulary, terms of art, specialist terms",
    "formal": "formal, academic, scholarly, professional, scientific, rigorous",
    "register": "tone, style, language, register, wording, voice, prose, manner",
    "abstract": "abstract, summary, overview, summarise, summarize, synopsis",
    "compare": "compare, comparison, contrast, versus, differ, difference, distinguish, relate",
    "prior": """
        earlier, previous, prior, existing, rival, competing, competitor, baseline, related, alternative,
        other, state of the art, older, predecessor, traditional
    """,
    "list": "list, enumerate, enumeration, itemise, itemize, bullet, bullets",
    "mechanism": """
        mechanism, causal, cause, interact, interaction, interplay, chain, process, inner workings, how ..
        works, moving parts, cause and effect, consequence, underlying, how .. work
    """,
    "new": """
        entirely new, new, different, fresh, another, other, untouched, unexplored, novel, none of the
        earlier, not yet
    """,
    "angle": "angle, aspect, perspective, facet, side, direction, part of the paper, corner, topic",
    "reword": "reword, rephrase, paraphrase, restate, variation, variant, tweak, recycle, rewording",
    "deep": """
        deep, deeper, later, buried, late, later, middle, appendix, experiment, footnote, body, tucked, deep
        inside, second half, fine print
    """,
    "take": """
        take, draw, pick, choose, use, look, dig, focus, ask, question, base, mine, search, select, from,
        material
    """,
}

SLOTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: _compile(text) for name, text in _SLOTS.items()}
)

NEGATORS = _compile(
    """
    not, never, no, nor, neither, none, nobody, nowhere, nothing, cannot, without, avoid, refrain, abstain,
    exclude, omit, eliminate, remove, drop, skip, leave out, hide, withhold, conceal, stop, cease, free of,
    devoid of, instead of, rather than, steer clear, stay away, get rid of, lacking, keep .. out, leave ..
    out, kept .. out, prevent, impossible, unable, infeasible, resist, abandon, dispense with, do away with,
    stump, baffle, elude, foil, defeat, out of reach, beyond the reach, no use, no help,
    hardly, seldom, rarely, abolish, scrap
    """
)
BAD_OUTCOMES = _compile(
    """
    tooeasy, reject, discard, throw .. away, thrown away, throw .. out, thrown out, unacceptable, forbid,
    forbidden, prohibit,
    prohibited, banned, ban, fail it, fail any, fail every, fail if, fail when, fail an, fail where, is a
    fail, disallow, not allowed, not permitted, not acceptable, not welcome, worthless, useless, off limits,
    not good enough, bad question, bad sign, wrong question, taboo, unusable, must be rewritten, no good,
    lead to failure, lead to rejection, disqualify,
    disqualified, invalidate, rule out, ruled out, invalid,
    out of bounds, not tolerated
    """
)
HARMS = _compile(
    """
    defeat the purpose, ruin, misfire, bad idea, is bad, are bad, harmful, counterproductive, break .. score,
    do harm, does harm, a mistake, self defeating
    """
)
CANCELLERS = _compile(
    """
    not necessary, no need, need not, not need, not required, no requirement, not require, not have to, not
    matter, unnecessary, optional, not important, ignore, disregard, not worry, not bother, forget, no
    longer necessary, no longer needed, not insist, not essential, not mandatory, unimportant, no
    obligation, not obliged, not care, irrelevant, not needed, free to ignore, no longer apply, no longer
    required, not compulsory, not crucial, nothing wrong, no problem, not a problem, no harm, no objection,
    nothing against, not fail, not reject, not discard, not forbid, not ban, not
    forbidden, pass .. even if, pass .. even when, accept .. even if, accept .. even when, fine even if
    """
)
EXPLICIT = _compile(
    """
    must, never, always, only, strictly, require, required, forbidden, forbid, prohibit, exactly, under no
    circumstances, not, no, none, mandatory, cannot, essential, avoid, without exception, absolutely, shall,
    nothing, reject, imperative, every, crucial, vital, banned, without
    """
)
HEDGES = _compile(
    """
    if possible, try, ideally, prefer, preferably, maybe, perhaps, where possible, consider, you might, you
    could, you may, when convenient, would be nice, would be good, where you can, when you can, if you like,
    if you can, attempt to, tend to, occasionally, now and then, generally speaking, may well, feel free, as
    far as possible
    """
)
ANAPHORS = _compile("them, any, it, these, those, such")
USES = _compile("include, use, write, add, have, allow, accept, put, make, give, ask, do, tolerate, keep")
OTHERWISE = _compile("otherwise, unless, if not, or else")
SUPPOSES = _compile("if, when, whenever, where")
PURPOSE = _compile("so that, such that, in such a way")
SUBJECTS = _compile(
    """
    context, question, rubric, criterion, criteria, weight, reply, output, json, background
    """
)
LEADING = _compile(
    """
    never, not, no, avoid, only, always, must, without, forbidden, prohibited, reject, leave
    """
)
