"""`python -m studbook`: the command line, started without importing upward."""

import runpy

if __name__ == "__main__":
    runpy.run_module("experiments.cli", run_name="__main__", alter_sys=True)
