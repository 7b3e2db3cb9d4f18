"""An engine that says it cannot limit memory or processes is never said to isolate untrusted code."""

import pytest
from support.boxes import Recorder, job_of
from support.weak_boxes import weak_sandbox

from studbook.sandbox.contract import BoxStatus
from studbook.sandbox.docker_box import acceptable, missing_limits, missing_walls, shares_lookups

ALL = {"MemoryLimit": True, "PidsLimit": True, "CpuCfsQuota": True, "SwapLimit": True}
ROOTLESS = {"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"], "CgroupVersion": "1"}
NO_CONTAINMENT = "it does not isolate untrusted code"


@pytest.mark.parametrize(
    ("info", "missing", "walls"),
    [
        (ALL, (), ()),
        ({**ALL, "SwapLimit": False}, ("swap",), ()),
        ({**ALL, "CpuCfsQuota": False, "PidsLimit": False}, ("processes", "cpu"), ("processes",)),
        ({}, ("memory", "processes", "cpu", "swap"), ("memory", "processes")),
        ({**ALL, **ROOTLESS}, ("memory", "processes", "cpu", "swap"), ("memory", "processes")),
        ({**ALL, **ROOTLESS, "CgroupVersion": "2"}, (), ()),
    ],
)
def test_what_an_engine_does_not_claim_to_limit_is_missing(info, missing, walls):
    assert missing_limits(info) == missing
    assert missing_walls(info) == walls


@pytest.mark.parametrize(
    ("info", "shares"),
    [
        ({"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]]}, True),
        ({"Driver": "overlay", "DriverStatus": None}, True),
        ({"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "tmpfs"]]}, False),
        ({"Driver": "vfs", "DriverStatus": []}, False),
    ],
)
def test_what_boxes_share_is_said_of_engines_with_overlays_on_a_disk(info, shares):
    assert shares_lookups(info) is shares


def test_only_a_quota_that_the_engine_would_refuse_the_box_for_is_left_out():
    config = {"Image": "x", "HostConfig": {"NanoCpus": 5, "Memory": 7}}
    assert acceptable(config, ("memory", "swap")) == config
    assert acceptable(config, ("cpu",)) == {"Image": "x", "HostConfig": {"Memory": 7}}


def nothing(config, host):
    """The box stays as it is: what is weak is what the engine says."""


@pytest.mark.docker
@pytest.mark.parametrize(
    ("says", "contains", "words"),
    [
        ({}, True, ", image "),
        ({"SwapLimit": False}, True, " without limits on swap, image "),
        ({"MemoryLimit": False}, False, f" without limits on memory: {NO_CONTAINMENT}, image "),
        ({"PidsLimit": None}, False, f" without limits on processes: {NO_CONTAINMENT}, image "),
    ],
)
def test_a_sandbox_claims_no_more_than_its_engine(docker_engine: None, says, contains, words):
    with weak_sandbox(nothing, says=says) as sandbox:
        assert sandbox.isolates_untrusted_code is contains
        assert words in sandbox.statement


@pytest.mark.docker
def test_an_engine_without_cpu_quotas_still_runs_boxes(docker_engine: None):
    """It would refuse to make a box with one; rootless engines get no cpu controller by default."""
    asked = []
    with weak_sandbox(
        lambda config, host: asked.append(host.get("NanoCpus")), says={"CpuCfsQuota": False}
    ) as box:
        outcome = box.run(job_of("def main(box): pass"), Recorder())
        assert box.isolates_untrusted_code
    assert outcome.status is BoxStatus.FINISHED
    assert asked == [None]
