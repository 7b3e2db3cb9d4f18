"""The variables that name certificates: HTTP libraries read them, and fail if the files are gone.

A path often outlives its file, as when a conda environment is moved, and the libraries name neither the
variable nor the path.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

OF_ENDPOINTS = ("SSL_CERT_FILE", "SSL_CERT_DIR")
OF_ENGINES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def find_stale(environment: Mapping[str, str], names: Sequence[str]) -> str:
    """A sentence about those that name nothing that can be read; "" if there are none."""
    stale = [name for name in names if (value := environment.get(name)) and not _is_readable(Path(value))]
    return "; ".join(
        f"{name} names {environment[name]}, which cannot be read: unset or correct it" for name in stale
    )


def _is_readable(path: Path) -> bool:
    try:
        if path.is_dir():
            return True
        with path.open("rb") as file:
            return bool(file.read(1))
    except OSError:
        return False
