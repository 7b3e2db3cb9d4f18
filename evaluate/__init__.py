"""Measures how good a harness is: frozen predicate, rubric, solvers and judge; harnesses run in sandboxes.

The library function `studbook.evaluate(harness, papers=...)` has the same name as this package, so the
package is callable and forwards the call to `experiments/library/working.py`.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        # imported by name: the library is a layer above this package, which must not depend on it
        return import_module("studbook.experiments.library.working").evaluate(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage
