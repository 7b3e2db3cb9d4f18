"""How good a harness is: frozen predicates, rubric, solvers and judge, in sandboxes, with the papers outside.

`studbook.evaluate(harness, papers=...)` is a function of the library, and this package has its name: so the
package can be called, and passes the call to `experiments/library/working.py`.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        # by name: the library stands above this package, which imports nothing of it
        return import_module("studbook.experiments.library.working").evaluate(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage
