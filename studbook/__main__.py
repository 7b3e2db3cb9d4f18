"""`python -m studbook`: the command line, started without importing upward."""

import runpy

if __name__ == "__main__":
    runpy.run_module("studbook.experiments.cli.main", run_name="__main__", alter_sys=True)
