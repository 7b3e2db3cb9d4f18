"""The short version of `make durability`, in the suite; the whole takes twenty minutes, run by people."""

import pytest
from crash.short_form import durability


@pytest.mark.slow
@pytest.mark.parametrize("part", ["sweep,resume,random", "unkind", "lineage", "cases"])
def test_nothing_is_lost_or_paid_twice_however_a_run_ends(tmp_path, part):
    done, rows = durability(tmp_path, "--only", part)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows
    for row in rows:
        assert row["kills"] > 0 or row["skipped"] or part == "lineage", row
        assert row["lost"] == row["paid_again"] == row["differences"] == []
    calls = sum(row["calls"] for row in rows)  # on a busy machine a kill may come before a row's first call
    assert part in {"cases", "lineage"} or calls > 0, "nothing could have been lost"
