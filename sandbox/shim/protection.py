"""Protects the shim before hostile code runs: forbids tracing, and filters system calls.

Everything here is a second line of defense: if the kernel refuses one, the box continues with a warning.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 4, 22, 36, 38

Step = tuple[int, int, int, int]  # instruction, jump if true, jump if false, operand
LOAD, JUMP_IF_EQUAL, JUMP_IF_BITS, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
CALL_NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
THIRD_ARGUMENT, SIXTH_ARGUMENT = 32, 56  # their lower halves

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_CALLS = 0x40000000
SOCKET_CALL = {"x86_64": 41, "aarch64": 198}
CLONE_CALL = {"x86_64": 56, "aarch64": 220}
NAMESPACE_FLAGS = 0x7E020000
MADVISE_CALL = {"x86_64": 28, "aarch64": 233}
EVICTING_ADVICE = (20, 21)  # MADV_COLD, MADV_PAGEOUT
# Flags can tell whether a page is cached (RWF_NOWAIT), or read one and leave it uncached (RWF_DONTCACHE).
PREADV2_CALL = {"x86_64": 327, "aarch64": 286}
# unix, inet, inet6, netlink (name lookups). Not vsock, which reaches the hypervisor, nor packet or alg.
FAMILIES = (1, 2, 10, 16)
# These return ENOSYS, so that libraries use their fallbacks: io_uring_setup, _enter, _register; clone3;
# io_setup, whose requests have the flags of preadv2; inotify_init, inotify_init1 and fanotify_init, which
# tell what another box opens.
ABSENT_CALLS = {
    "x86_64": (425, 426, 427, 435, 206, 253, 294, 300),
    "aarch64": (425, 426, 427, 435, 0, 26, 262),
}
# Line by line. Others: ptrace, process_vm_readv, process_vm_writev, process_madvise, pidfd_getfd, kcmp.
# Mounts and namespaces: mount, umount2, pivot_root, unshare, setns, fsopen, fsconfig, fsmount, fspick,
# move_mount, open_tree, mount_setattr, name_to_handle_at, open_by_handle_at.
# The kernel: bpf, perf_event_open, userfaultfd, kexec_load, kexec_file_load, init_module, finit_module,
# delete_module, syslog. Keys: keyctl, add_key, request_key.
# The machine: reboot, swapon, swapoff, acct, quotactl, settimeofday, clock_settime; on x86 ioperm and iopl.
# The page cache, which boxes share and would leave notes in: fadvise64, readahead, sync_file_range, mincore,
# cachestat, move_pages, migrate_pages. Advice is optional, so no honest program needs them.
REFUSED_CALLS = {
    "x86_64": (
        *(101, 310, 311, 440, 438, 312),
        *(165, 166, 155, 272, 308, 430, 431, 432, 433, 429, 428, 442, 303, 304),
        *(321, 298, 323, 246, 320, 175, 313, 176, 103),
        *(250, 248, 249),
        *(169, 167, 168, 163, 179, 164, 227, 173, 172),
        *(221, 187, 277, 27, 451, 279, 256),
    ),
    "aarch64": (
        *(117, 270, 271, 440, 438, 272),
        *(40, 39, 41, 97, 268, 430, 431, 432, 433, 429, 428, 442, 264, 265),
        *(280, 241, 282, 104, 294, 105, 273, 106, 116),
        *(219, 217, 218),
        *(142, 224, 225, 89, 60, 170, 112),
        *(223, 213, 84, 232, 451, 239, 238),
    ),
}


def protect_self() -> list[str]:
    """Make this process untraceable and filter its system calls and those of its children; returns warnings.

    Being undumpable also closes /proc/1/fd and /proc/1/mem to the harness, which runs as the same user.
    """
    if sys.platform != "linux":
        return ["no protection of the shim on " + sys.platform]
    libc = ctypes.CDLL(None, use_errno=True)
    warnings = []
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        warnings.append("the shim could not be made undumpable")
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return warnings + install_filter(libc, os.uname().machine)


def make_dumpable() -> None:
    """For the harness's process, so that it can use its own /proc/self."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def install_filter(libc: ctypes.CDLL, machine: str) -> list[str]:
    if machine not in ARCHITECTURES or struct.calcsize("P") != 8:
        return ["no system call filter for " + machine]
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = b"".join(struct.pack("HBBI", *step) for step in filter_steps(machine))
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)), 16
    )
    if libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_void_p(ctypes.addressof(header)), 0, 0) != 0:
        return ["no system call filter: " + os.strerror(ctypes.get_errno())]
    return []


def filter_steps(machine: str) -> list[Step]:
    """The seccomp program for one architecture; calls of any other architecture fail with ENOSYS."""
    absent, refused = REFUSE | errno.ENOSYS, REFUSE | errno.EPERM
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, absent),
    ]
    steps.append((LOAD, 0, 0, CALL_NUMBER))
    if machine == "x86_64":
        steps += [(JUMP_IF_BITS, 0, 1, X32_CALLS), (RETURN, 0, 0, absent)]
    for numbers, answer in ((ABSENT_CALLS[machine], absent), (REFUSED_CALLS[machine], refused)):
        for number in numbers:
            steps += [(JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, answer)]
    denied = [(JUMP_IF_BITS, 0, 1, NAMESPACE_FLAGS), (RETURN, 0, 0, refused), (RETURN, 0, 0, ALLOW)]
    steps += for_call(CLONE_CALL[machine], FIRST_ARGUMENT, denied)
    denied = [(JUMP_IF_BITS, 0, 1, 0xFFFFFFFF), (RETURN, 0, 0, absent), (RETURN, 0, 0, ALLOW)]
    steps += for_call(PREADV2_CALL[machine], SIXTH_ARGUMENT, denied)
    steps += for_call(MADVISE_CALL[machine], THIRD_ARGUMENT, by_value(EVICTING_ADVICE, refused, ALLOW))
    families = by_value(FAMILIES, ALLOW, REFUSE | errno.EAFNOSUPPORT)
    return [*steps, *for_call(SOCKET_CALL[machine], FIRST_ARGUMENT, families), (RETURN, 0, 0, ALLOW)]


def for_call(number: int, argument: int, steps: list[Step]) -> list[Step]:
    """Steps for one system call only, with its argument (an offset) loaded; they must return."""
    return [(JUMP_IF_EQUAL, 0, 1 + len(steps), number), (LOAD, 0, 0, argument), *steps]


def by_value(values: tuple[int, ...], answer: int, otherwise: int) -> list[Step]:
    steps: list[Step] = []
    for value in values:
        steps += [(JUMP_IF_EQUAL, 0, 1, value), (RETURN, 0, 0, answer)]
    return [*steps, (RETURN, 0, 0, otherwise)]
