"""Spending the budget of others: a harness that floods its box while honest papers run beside it."""

from concurrent.futures import ThreadPoolExecutor

from attacks.score.arena import PAPERS, REPLICATES, Arena, Arm, World, honest
from attacks.score.rows import Expect, cheat

from studbook.testbed.inline_sandbox import InlineSandbox

ROW = cheat(
    "flood beside honest papers",
    "flood",
    "480 calls and as many logs per box from eight threads, while the honest twin runs on the same models",
    settings={},
    expect=Expect.REFUSED,
    counted=("refused",),
)


def test_a_flood_takes_nothing_from_others(arena: Arena, tmp_path, check_row):
    alone = arena.measure(honest())
    together = Arena(tmp_path, arena.records).evaluator(World.SOBER, InlineSandbox())
    jobs = [(tree, paper, n) for paper in PAPERS for n in REPLICATES for tree in (ROW.tree, honest())]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda job: together.evaluate_paper(*job), jobs))
    assert tuple(results[1::2]) == alone.results
    flooding = tuple(results[0::2])
    assert max(result.calls for result in flooding) <= 200
    check_row(ROW, arm=Arm(results=flooding, trajectories=tuple(together.store.get(r.key) for r in flooding)))
