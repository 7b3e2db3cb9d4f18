"""Living owners are spared; the dead, and the long overdue of other machines, are not."""

import os
import subprocess
import sys

from studbook.sandbox.owner import (
    DEADLINE_LABEL,
    OWNER_LABEL,
    Owner,
    boot_id,
    find_start,
    is_stale,
    labels_of,
    this_process,
)


def test_this_process_is_alive_for_ever():
    labels = labels_of(this_process(), 120.0, now=1000.0)
    assert labels[DEADLINE_LABEL] == str(1000 + 120 + 6 * 3600)
    assert not is_stale(labels, now=1e12)


def test_a_process_that_ended_is_gone_at_once():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        owner = Owner(pid=child.pid, start=find_start(child.pid) or "", boot=boot_id())
        labels = labels_of(owner, 120.0, now=0.0)
        assert not is_stale(labels, now=1.0)
        child.communicate(b"\n")
    assert is_stale(labels, now=1.0)


def test_a_pid_that_was_given_away_again_is_not_its_former_owner():
    owner = Owner(pid=os.getpid(), start="1", boot=boot_id())
    assert is_stale(labels_of(owner, 120.0, now=0.0), now=1.0)


def test_an_owner_on_another_machine_is_judged_by_the_deadline_only():
    owner = Owner(pid=os.getpid(), start="1", boot="elsewhere")
    labels = labels_of(owner, 100.0, now=0.0)
    assert not is_stale(labels, now=100.0 + 6 * 3600)
    assert is_stale(labels, now=101.0 + 6 * 3600)


def test_labels_that_cannot_be_read_are_not_a_reason_to_remove_anything():
    for owner in ("", "x/y/z", "1", "-1/2/3"):
        assert not is_stale({OWNER_LABEL: owner, DEADLINE_LABEL: "soon"}, now=1e12)
        assert Owner.find(owner) is None


def test_an_owner_reads_back_what_it_wrote():
    owner = Owner(pid=12, start="34", boot="a-b.5")
    assert Owner.find(str(owner)) == owner
