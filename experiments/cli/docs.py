"""Writes docs/cli.md from the command line itself: `python -m studbook.experiments.cli.docs > docs/cli.md`.

A test compares, so a command that is not documented, or documented otherwise, fails the build.
"""

import sys

from studbook.experiments.cli.table import COMMANDS, Command, Flag

OPENING = """\
# The command line

*Written by `python -m studbook.experiments.cli.docs`; a test compares it with the commands themselves.*

Results go to stdout, progress and errors to stderr; where stdout is not a terminal, lines are plain.
`NO_COLOR` is honoured. Errors say what, where and what to do next; `-v` shows where they arose.

| exit code | means |
|---|---|
| 0 | done; also: a budget is spent, or the file STOP asked, and the run can go on |
| 1 | failed, or differences found |
| 2 | wrong usage, spec, manifest or papers |
| 130 | interrupted; everything finished is saved, the command to go on is printed |

A harness is named as git names a commit: `RUN:seed`, `RUN:best`, `RUN:m0031`, `RUN:m0031^` (its parent),
`RUN:m0031~2`. A paper is named by its id or the beginning of it.

A spec's value is taken from the flag `-s`, else from the environment (`STUDBOOK_SPEC_SEARCH__ITERATIONS=30`,
and `OPENAI_BASE_URL` for the endpoint `openai`), else from `.env`, else from the YAML file, else it is the
default.

## JSON

`--json` prints one object with `"schema": 1`. A rate is `{"passed", "n", "low", "high"}`: its 95 % interval
is from `low` to `high`.

| command | keys |
|---|---|
"""

JSON_KEYS = {
    "run": "`start`, `seed_validation`, `iterations` (list), `end`; with `--dry-run` only `plan`",
    "resume": "as `run`; `iterations` holds those of this part of the run",
    "stop": "`run`, `was_running`",
    "ls": "`runs` (list of `run`, `state`, `iterations`, `admitted`, `best_id`, rates)",
    "show": "`run`, `iterations`, `best_failures`, `costs` (the sum last); or `harness`; or `trajectories`",
    "tree": "`harnesses` (list of `mutant`, `last_flags`, `verdict`, `rate`, `is_stopped`, `is_best`)",
    "lineage": "`lineage` (list of `harness_id`, `kind`, `hypothesis`, `rate`, `is_stopped`)",
    "diff": "`before`, `after`, `files` (list of `path`, `change`, `lines`), `scores` (`papers`, `score`; "
    "null for two runs)",
    "replay": "`replay` (`run`, `level`, `events`, `harnesses`, `trajectories`, `calls`, `head`, `part`), "
    "`identical`; with `--level live` only `replay` (`run`, `level`, `fresh_calls`, `recorded_calls`, "
    "`harnesses`: list of `harness_id`, `papers`, `replicates`, `old`, `new`, `luck` (old − new, with "
    "`interval`), `share` (of the old score, with `share_interval`), `expected`, `is_stopped`)",
    "verify": "`run`, `is_clean`, `head`, `is_running`, `checked` (counts), `faults` (list of `place`, "
    "`problem`, `expected`, `found`), `notes`, `not_checked`",
    "pack": "`packed` (`run`, `file`, `files`, `size_bytes`, `head`, `left_out`)",
    "unpack": "`unpacked` (`run`, `folder`, `files`, `head`, `notes`)",
    "evaluate": "`harness`, `summary` (rates, averages, failures, calls, tokens, seconds; `confirmed` of "
    "`confirmed_n` accepted examples hold on fresh rollouts; `attempts` to speak to solver, judge or "
    "verifier), `breakdowns` "
    "(list of `verdict`, `reason`, `times`, `first`, `errors`), `accepted` (path)",
    "export": "`harness`, `folder`",
    "report": "`report` (path)",
    "papers synth": "`folder`, `papers` (file names)",
    "papers show": "`papers` (list) and `skipped`; or `paper`",
    "papers stats": "`stats`",
    "init": "`folder`",
    "doctor": "`findings` (list of `name`, `state`, `text`, `next_step`), `is_ready`; with `--deep` also "
    "`limits` (list of `sandbox`, `limit`, `state`, `measured`, `is_hole`, `next_step`)",
    "testbed serve": "`base_url`, `models`",
}


def docs_text() -> str:
    rows = "".join(f"| `{command.name}` | {JSON_KEYS[command.name]} |\n" for command in COMMANDS)
    return OPENING + rows + "".join(_section(command) for command in COMMANDS)


def _section(command: Command) -> str:
    usage = " ".join(["studbook", command.name, *(_usage(flag) for flag in command.flags)])
    rows = "".join(f"| {_name(flag)} | {_help(flag)} |\n" for flag in command.flags)
    table = f"\n| argument | means |\n|---|---|\n{rows}" if rows else ""
    return f"\n## {command.name}\n\n{command.summary}\n\n```\n{usage}\n\n{command.example}\n```\n{table}"


def _usage(flag: Flag) -> str:
    metavar = flag.options.get("metavar", flag.names[0].lstrip("-").upper())
    if not flag.names[0].startswith("-"):
        return f"[{metavar}]" if flag.options.get("nargs") == "?" else str(metavar)
    if "choices" in flag.options:
        metavar = "|".join(flag.options["choices"])
    word = flag.names[0] if flag.options.get("action") == "store_true" else f"{flag.names[0]} {metavar}"
    return word if flag.options.get("required") else f"[{word}]"


def _name(flag: Flag) -> str:
    metavar = flag.options.get("metavar", flag.names[0])
    return ", ".join(f"`{name}`" for name in flag.names) if flag.names[0].startswith("-") else f"`{metavar}`"


def _help(flag: Flag) -> str:
    return (
        str(flag.options["help"]).replace("%(default)s", str(flag.options.get("default"))).replace("|", "\\|")
    )


if __name__ == "__main__":
    sys.stdout.write(docs_text())
