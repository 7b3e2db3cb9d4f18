"""Runs one peer, in its own environment, on the task of `peers.py`: a program of fixed size, free evaluation.

    python benchmarks/peer_runs.py openevolve|gepa|shinka --url URL --iterations 200 --folder FOLDER

Imports only the standard library and the peer, nothing from Studbook: they cannot share an environment,
because of `openai`. Each is used as its documentation shows, with one worker, without embeddings, summaries
or plots, and writes its files to the folder. The last line of stdout is a JSON list of the times at which
proposals were requested; empty if the server records them.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

LINES = "\n".join(f"# line {number:02} of a program that never changes its size" for number in range(40))
PROGRAM = f"# EVOLVE-BLOCK-START\nVALUE = 100000\n{LINES}\n# EVOLVE-BLOCK-END\n"
EVALUATE = """\
import re


def evaluate(program_path):
    with open(program_path) as file:
        return {"combined_score": int(re.search(r"VALUE = (\\d+)", file.read()).group(1)) / 1000000}
"""
EVALUATE_ALONE = """\
import json, re, sys

given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with open(given["--program_path"]) as file:
    score = int(re.search(r"VALUE = (\\d+)", file.read()).group(1)) / 1000000
with open(given["--results_dir"] + "/metrics.json", "w") as file:
    json.dump({"combined_score": score, "public": {}, "private": {}}, file)
with open(given["--results_dir"] + "/correct.json", "w") as file:
    json.dump({"correct": True, "error": None}, file)
"""


def program_of(call: int) -> str:
    """The free model's answer to call number `call`: a new value, slightly better on average."""
    noise = (call * 7919) % 1000
    return PROGRAM.replace("100000", str(100000 + (10 * call + noise) % 900000))


def answer_of(call: int) -> str:
    """The answer in a format that all three peers can parse."""
    return (
        f"<NAME>\nvalue_{call}\n</NAME>\n\n<DESCRIPTION>\nAnother value.\n</DESCRIPTION>\n\n"
        f"<CODE>\n```python\n{program_of(call)}```\n</CODE>\n"
    )


def run_openevolve(url: str, iterations: int, folder: Path) -> list[float]:
    from openevolve import run_evolution
    from openevolve.config import Config, LLMModelConfig

    config = Config(max_iterations=iterations, diff_based_evolution=False, log_level="WARNING")
    config.llm.models = [LLMModelConfig(name="free", api_base=url, api_key="none", weight=1.0)]
    config.llm.update_model_params({"timeout": 60, "retries": 0, "retry_delay": 1, "max_tokens": 4096})
    config.evaluator.parallel_evaluations = 1
    config.evaluator.cascade_evaluation = False
    (folder / "program.py").write_text(PROGRAM)
    (folder / "evaluator.py").write_text(EVALUATE)
    run_evolution(
        folder / "program.py",
        folder / "evaluator.py",
        config=config,
        iterations=iterations,
        output_dir=str(folder / "out"),
        cleanup=False,
    )
    return []  # the server knows when it was asked


def run_gepa(url: str, iterations: int, folder: Path) -> list[float]:  # noqa: ARG001 - asks no server
    from gepa.optimize_anything import EngineConfig, GEPAConfig, ReflectionConfig, optimize_anything

    asked: list[float] = []

    def model(prompt: object) -> str:  # noqa: ARG001 - a free model
        asked.append(time.monotonic())
        return f"```\n{program_of(len(asked))}```"

    def score(candidate: str) -> float:
        found = re.search(r"VALUE = (\d+)", candidate)
        return int(found.group(1)) / 1000000 if found else 0.0

    optimize_anything(
        seed_candidate=PROGRAM,
        evaluator=score,
        objective="Make the value larger.",
        config=GEPAConfig(
            engine=EngineConfig(
                run_dir=str(folder), max_candidate_proposals=iterations, parallel=False, max_workers=1
            ),
            reflection=ReflectionConfig(reflection_lm=model),
        ),
    )
    return asked


def run_shinka(url: str, iterations: int, folder: Path) -> list[float]:
    from shinka.core import EvolutionConfig, ShinkaEvolveRunner
    from shinka.database import DatabaseConfig
    from shinka.launch import LocalJobConfig

    (folder / "initial.py").write_text(PROGRAM)
    (folder / "evaluate.py").write_text(EVALUATE_ALONE)
    runner = ShinkaEvolveRunner(
        evo_config=EvolutionConfig(
            num_generations=iterations,
            patch_types=["full"],
            patch_type_probs=[1.0],
            llm_models=[f"local/free@{url}"],
            llm_dynamic_selection=None,
            meta_rec_interval=None,
            embedding_model=None,
            init_program_path=str(folder / "initial.py"),
            results_dir=str(folder / "out"),
        ),
        job_config=LocalJobConfig(eval_program_path=str(folder / "evaluate.py")),
        db_config=DatabaseConfig(db_path=str(folder / "programs.sqlite")),
        verbose=False,
        max_evaluation_jobs=1,
        max_proposal_jobs=1,
    )
    runner.run()
    return []  # the server knows when it was asked


PEERS: dict[str, Callable[[str, int, Path], list[float]]] = {
    "openevolve": run_openevolve,
    "gepa": run_gepa,
    "shinka": run_shinka,
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("--url", required=True)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args(arguments)
    asked = PEERS[options.peer](options.url, options.iterations, options.folder)
    sys.stdout.write(f"\n{json.dumps(asked)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
