"""Every error Studbook raises on purpose.

    StudbookError
    ├── UsageError                 the user can fix it; exit code 2
    │   ├── SpecError              a spec key or value
    │   ├── ManifestError          a harness.yaml key or value, a harness folder
    │   ├── CorpusError            papers: too few, unreadable, in two splits
    │   ├── PluginError            a user's plug-in: not found, of the wrong shape, or failing
    │   └── RevisionError          a run, mutant or paper that does not exist
    ├── InfrastructureError        an external failure; never a score
    │   ├── ModelError
    │   │   ├── ModelUnavailable   no connection, timeout, 429, 5xx, empty reply: retried before it is raised
    │   │   │   └── Outage         for longer than the spec's patience: the run pauses
    │   │   ├── ModelRejected      wrong key, unknown model, request refused: retrying cannot help
    │   │   │   └── RequestRefused the endpoint refuses this one request: too long, filtered
    │   │   └── RequestFailed      this one request cannot be answered, as a control question showed; recorded
    │   ├── SandboxError           engine, image, start, attach: the box is run again
    │   │   └── BoxRefused         the engine does not take such a box: trying again cannot help
    │   └── StorageError           full disk, unwritable folder, second writer
    ├── BudgetExceeded             a limit of the spec was reached
    ├── IntegrityError             a record does not hash, a journal line is damaged (names the place)
    └── ReplayDifference           a replay missed a record or gave a different result (says where)

A failing paper, harness, mutant or model reply is *data* (an outcome with a category), not an exception.
Messages say what happened, with which value, and what to do next.
"""

import errno
from enum import StrEnum


class StudbookError(Exception):
    """Root of the tree. `str(error)` is a complete message for the user, one to three lines."""


class UsageError(StudbookError):
    """The user can fix it."""


class SpecError(UsageError):
    """A spec key or value is wrong."""


class ManifestError(UsageError):
    """A harness folder or its harness.yaml is wrong."""


class CorpusError(UsageError):
    """The papers are not suitable for the requested run."""


class PluginError(UsageError):
    """A plug-in named in a spec is missing, does not fit its door, or failed; the message names it."""


class RevisionError(UsageError):
    """A run, mutant or paper that does not exist."""


class InfrastructureError(StudbookError):
    """An external failure; never turned into a score."""


class ModelError(InfrastructureError):
    """A model could not be called."""


class Cause(StrEnum):
    """Why a model was unavailable: only some causes can be due to the request."""

    UNREACHED = "unreached"  # no connection
    GARBLED = "garbled"  # an answer, but not in this protocol
    LIMITED = "limited"  # too many requests, regardless of content
    TIMEOUT = "timeout"  # connected, but no complete answer in time
    OTHER = "other"  # server errors, cut connections, empty replies


class ModelUnavailable(ModelError):
    """Connection, timeout, rate limit, server error or empty reply, after all retries."""

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, cause: Cause = Cause.OTHER
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.cause = cause


class Outage(ModelUnavailable):
    """An endpoint gave no usable answer for longer than the run is willing to wait."""


class ModelRejected(ModelError):
    """The endpoint refused the request for good: key, model name, content. `status`: of HTTP, 0 for none."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RequestRefused(ModelRejected):
    """The endpoint refused this request for its content (too long, filtered); others may succeed."""


class RequestFailed(ModelError):
    """A request that its role cannot answer, although it answers a control question.

    An outcome like a reply: it is recorded, and the same request fails in the same way in a replay. It is
    reported to the harness that caused it and does not end the run. `kind`: see
    `studbook.llm.contracts.FailureKind`.
    """

    def __init__(self, kind: str, message: str, *, key: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.key = key


class SandboxError(InfrastructureError):
    """The sandbox itself failed: engine, image, start, attach."""


class BoxRefused(SandboxError):
    """The engine said that it does not take such a box; it would say so again."""


class StorageError(InfrastructureError):
    """Disk full, folder unwritable, or locked by another writer."""


class BudgetExceeded(StudbookError):
    """A limit of the spec was reached. `key` names it; with `more` as its value the run can continue."""

    def __init__(self, message: str, *, key: str = "", more: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.more = more


class IntegrityError(StudbookError):
    """Something written earlier does not match its hash; the message names the place."""


class ReplayDifference(StudbookError):
    """A replay missed a record or gave a different result; the message says where."""


OF_THE_MACHINE = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EAGAIN,
    }
)
"""What a system call reports when the machine is full, broken or closed to us, wherever that happens."""


def remedy(error: OSError, *, starts_process: bool = False) -> str:
    """What to do about a failure of the machine, as the beginning of a sentence."""
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "Allow more open files (`ulimit -n 4096`) or use fewer workers (-s workers=1)"
    if error.errno in {errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST}:
        return "Move it out of the way"
    if error.errno == errno.ENOMEM:
        return "Free some memory"
    if error.errno == errno.EAGAIN and not starts_process:
        return "Write to a file, or to a pipe whose reader keeps up"
    if error.errno == errno.EAGAIN:
        return "Allow more processes (`ulimit -u`) or use fewer workers (-s workers=1)"
    return "Free some space or fix the permissions"
