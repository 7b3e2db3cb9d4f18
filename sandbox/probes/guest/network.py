"""Whether a box has a way out. Runs in the box; sends at most one name look-up."""

from __future__ import annotations

import errno
import socket
from typing import Any

from studbook.sandbox.probes.guest.attempts import read_text

UP = 1
NOBODY = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # addresses kept for documentation
QUESTION = b"\x5b\x1d\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x08studbook\x07invalid\x00\x00\x01\x00\x01"
NO_WAY = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def look(_knobs: dict[str, Any]) -> dict[str, Any]:
    return {
        "interfaces": interfaces(),
        "ways": [address for family, address in NOBODY.items() if has_way(family, address)],
        "name_servers": [server for server in name_servers() if answers(server)],
    }


def interfaces() -> list[str]:
    """Those that are up, beside the box's own loopback; kernels make some that lead nowhere, all down."""
    names = [name for _, name in socket.if_nameindex() if name != "lo"]
    return [name for name in names if is_up(name)]


def is_up(name: str) -> bool:
    flags = (
        read_text(f"/sys/class/net/{name}/flags") or "0x1"
    ).strip()  # unreadable: better told than hidden
    return bool(int(flags, 16) & UP)


def has_way(family: int, address: str) -> bool:
    """Any error but "no way there" means that there is a network."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.settimeout(0.5)
            trial.connect((address, 80))
    except OSError as error:
        return error.errno not in NO_WAY
    return True


def name_servers() -> list[str]:
    rows = [row.split() for row in (read_text("/etc/resolv.conf") or "").splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"][:3]


def answers(server: str) -> bool:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.settimeout(0.5)
            trial.connect((server, 53))
            trial.send(QUESTION)
            return bool(trial.recv(512))
    except OSError:
        return False
