"""Every error Studbook raises on purpose.

    StudbookError
    ├── UsageError                 the user can mend it; exit code 2
    │   ├── SpecError              a spec key or value
    │   ├── ManifestError          a harness.yaml key or value, a harness folder
    │   ├── CorpusError            papers: too few, unreadable, in two splits
    │   ├── PluginError            an object of the user's own: not found, not fitting, or failing
    │   └── RevisionError          a run, mutant or paper that does not exist
    ├── InfrastructureError        the world failed; never a score
    │   ├── ModelError
    │   │   ├── ModelUnavailable   no connection, timeout, 429, 5xx, empty reply: retried before it is raised
    │   │   │   └── Outage         for longer than the spec's patience: the run pauses
    │   │   ├── ModelRejected      wrong key, unknown model, request refused: retrying cannot help
    │   │   │   └── RequestRefused this one request, says the endpoint: too long, filtered
    │   │   └── RequestFailed      this one request, as a control question has shown; on record
    │   ├── SandboxError           engine, image, start, attach
    │   └── StorageError           full disk, unwritable folder, second writer
    ├── BudgetExceeded             a limit of the spec was reached
    ├── IntegrityError             a record does not hash, a journal line is damaged (names the place)
    └── ReplayDifference           a replay missed a record or gave another result (says where)

A failing paper, harness, mutant or model reply is *data* (an outcome with a category), not an exception.
Messages say what happened, with which value, and what to do next.
"""

from enum import StrEnum


class StudbookError(Exception):
    """Root of the tree. `str(error)` is a complete message for the user, one to three lines."""


class UsageError(StudbookError):
    """The user can mend it."""


class SpecError(UsageError):
    """A spec key or value is wrong."""


class ManifestError(UsageError):
    """A harness folder or its harness.yaml is wrong."""


class CorpusError(UsageError):
    """The papers do not allow the run that was asked for."""


class PluginError(UsageError):
    """What a spec plugs in is not there, does not fit its door, or failed; names it."""


class RevisionError(UsageError):
    """A run, mutant or paper was named that does not exist."""


class InfrastructureError(StudbookError):
    """The world failed: never a score."""


class ModelError(InfrastructureError):
    """A model could not be called."""


class Cause(StrEnum):
    """Why a model was unavailable: only some causes can lie in the request."""

    UNREACHED = "unreached"  # no connection
    GARBLED = "garbled"  # an answer, but none of this protocol
    LIMITED = "limited"  # too many requests, whatever is in them
    TIMEOUT = "timeout"  # connected, and no whole answer in time
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
    """The endpoint refused the request for good: key, model name, content."""


class RequestRefused(ModelRejected):
    """The endpoint refused this one request for what is in it (too long, filtered); others may succeed."""


class RequestFailed(ModelError):
    """One request that its role cannot answer, while it answers a control question.

    An outcome like a reply: it is on record, and the same request fails in the same way in a replay. A
    harness that caused it is told so; it does not end the run. `kind`: see
    `studbook.llm.contracts.FailureKind`.
    """

    def __init__(self, kind: str, message: str, *, key: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.key = key


class SandboxError(InfrastructureError):
    """The sandbox itself failed: engine, image, start, attach."""


class StorageError(InfrastructureError):
    """Disk full, folder unwritable, or locked by another writer."""


class BudgetExceeded(StudbookError):
    """A limit of the spec was reached. `key` and `more`: which one, and a value that goes on."""

    def __init__(self, message: str, *, key: str = "", more: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.more = more


class IntegrityError(StudbookError):
    """Something written earlier does not hash; the message names the place."""


class ReplayDifference(StudbookError):
    """A replay missed a record or gave another result; the message says where."""
