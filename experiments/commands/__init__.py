"""What the command line does: one module per group of commands.

`table.py` declares every command (names, flags, help) without importing what they need, so that `--help`
answers at once; the other modules do the work and are imported when their command runs.
"""
