"""Which testbed this is: a hash of the source of the programs that take part in an evaluation.

The analyzer and the implementer are left out: they propose harnesses and score none.
"""

from functools import cache
from importlib import resources

from studbook.identity import hash_bytes, hash_json

PROPOSING = ("analyzer", "implementer", "ideas")


@cache
def source_hash() -> str:
    """Changes whenever a program that answers for a harness or for the evaluator changes."""
    modules = resources.files("studbook.llm.testbed").iterdir()
    return hash_json(
        {
            module.name: hash_bytes(module.read_bytes())
            for module in modules
            if module.name.endswith(".py") and not module.name.startswith(PROPOSING)
        }
    )
