"""The benchmark's variants and its measuring loop, for tests: `benchmarks/` is scripts, not a package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_PATH = Path(__file__).parents[2] / "benchmarks" / "testbed_effects.py"


def load_effects() -> ModuleType:
    if "testbed_effects" not in sys.modules:
        spec = importlib.util.spec_from_file_location("testbed_effects", _PATH)
        assert spec and spec.loader
        sys.modules["testbed_effects"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["testbed_effects"])
    return sys.modules["testbed_effects"]
