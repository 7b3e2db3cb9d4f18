"""Boxes as child processes, with bubblewrap where it works. They do not isolate untrusted code."""

from studbook.sandbox.process_box import ProcessSandbox


def plugin() -> ProcessSandbox:
    return ProcessSandbox.open()
