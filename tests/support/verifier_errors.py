"""The benchmark's functions, for tests: `benchmarks/` is scripts, not a package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_PATH = Path(__file__).parents[2] / "benchmarks" / "verifier_errors.py"


def load_verifier_errors() -> ModuleType:
    if "verifier_errors" not in sys.modules:
        spec = importlib.util.spec_from_file_location("verifier_errors", _PATH)
        assert spec and spec.loader
        sys.modules["verifier_errors"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["verifier_errors"])
    return sys.modules["verifier_errors"]
