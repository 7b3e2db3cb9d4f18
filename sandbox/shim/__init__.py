"""PID 1 of a box: hands the harness its job and carries its requests out and the replies in.

    stdin   {"folder": path}, {"file": path, "data": base64}…, {"start": {…}}, then {"id": n, "reply": {…}}…
    stdout  {"kind": "ready" | "request" | "output" | "end", …}, one JSON object a line

The modules of this package run *inside* the box (`sandbox/bundle.py` makes one source of them, an
argument of `python3 -I -u -c`), so: standard library only, Python >= 3.9, no pathlib (10 ms a box). The host
touches them for their source alone. The shim is frozen but not trusted: the host validates all it says.

One thread and one `select` loop, because a harness may fork until no thread can be started any more. It
enforces no budget and no deadline (the host does), and what an entry function returns is ignored.
"""
