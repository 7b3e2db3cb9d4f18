"""What a box reads of its own cgroup, in both versions: files as kernels write them, under another root.

No machine with cgroup v2 was at hand, so this is all that was tried of it.
"""

from pathlib import Path

import pytest

from studbook.sandbox.probes.guest.strain import NO_LIMIT, quota, quota_account, swap_allowed

V1_UNLIMITED = "9223372036854771712\n"
V2_STAT = "usage_usec 900\nuser_usec 800\nsystem_usec 100\n"
V2_QUOTA_STAT = V2_STAT + "nr_periods 16\nnr_throttled 15\nthrottled_usec 7\nnr_bursts 0\nburst_usec 0\n"


def write(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("files", "allowed"),
    [
        ({"memory.swap.max": "0\n"}, 0),
        ({"memory.swap.max": "1048576\n"}, 1048576),
        ({"memory.swap.max": "max\n"}, NO_LIMIT),
        ({}, None),  # no controller, or no account of swap in this kernel
        (
            {"memory/memory.memsw.limit_in_bytes": "300\n", "memory/memory.limit_in_bytes": "100\n"},
            200,
        ),
        (
            {
                "memory/memory.memsw.limit_in_bytes": V1_UNLIMITED,
                "memory/memory.limit_in_bytes": V1_UNLIMITED,
            },
            NO_LIMIT,
        ),
        ({"memory/memory.limit_in_bytes": "100\n"}, None),  # a kernel without swap accounting
    ],
)
def test_swap_that_the_kernel_allows_is_read_from_either_version(tmp_path: Path, files, allowed):
    assert swap_allowed(write(tmp_path, files)) == allowed


@pytest.mark.parametrize(
    ("files", "cores", "periods"),
    [
        ({"cgroup.controllers": "cpu\n", "cpu.max": "50000 100000\n", "cpu.stat": V2_QUOTA_STAT}, 0.5, 16),
        (
            {
                "cgroup.controllers": "cpu\n",
                "cpu.max": "max 100000\n",
                "cpu.stat": V2_STAT + "nr_periods 0\nnr_throttled 0\n",
            },
            None,
            0,
        ),
        # what a rootless engine gets by default: no cpu controller at all
        ({"cgroup.controllers": "memory pids\n", "cpu.stat": V2_STAT}, None, 0),
        (
            {
                "cpu/cpu.stat": "nr_periods 3\nnr_throttled 2\n",
                "cpu/cpu.cfs_quota_us": "150000\n",
                "cpu/cpu.cfs_period_us": "100000\n",
            },
            1.5,
            3,
        ),
        (
            {
                "cpu,cpuacct/cpu.stat": "nr_periods 0\nnr_throttled 0\n",
                "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            None,
            0,
        ),
        ({}, None, None),
    ],
)
def test_a_quota_and_its_account_are_read_from_either_version(tmp_path: Path, files, cores, periods):
    root = write(tmp_path, files)
    assert quota(root) == cores
    assert quota_account(root).get("nr_periods") == periods
