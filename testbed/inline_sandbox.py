"""A sandbox without isolation: runs a harness in this process. For calibration and benchmarks only.

DANGER. The harness's code has all permissions of this process: nothing is limited or contained, and an
infinite loop never ends. It exists because measuring the testbed takes thousands of boxes that run code we
wrote ourselves. No spec, command or `sandbox: auto` selects it; only code under `benchmarks/` and tests
construct it. It enforces no limit of the contract and never reports one as exceeded.
"""

import builtins
import sys
import time
from collections.abc import Callable, Mapping
from itertools import count
from types import CodeType, ModuleType
from typing import Any

from studbook.errors import BudgetExceeded, InfrastructureError
from studbook.harnesses import harness_kit
from studbook.harnesses.text_files import read_text
from studbook.sandbox.contract import BoxStatus, Frame, Handler, Job, Outcome

_SERIAL = count()


class InlineSandbox:
    """Implements `Sandbox` for trusted code, without any isolation."""

    name = "inline"
    isolates_untrusted_code = False

    def __init__(self) -> None:
        self.fingerprint = "inline"
        self.identity = {"kind": "inline", "warning": "runs harness code in this process, uncontained"}
        self._compiled: dict[bytes, CodeType] = {}

    def run(self, job: Job, handler: Handler) -> Outcome:
        started = time.monotonic()
        status, detail = self._run(job, handler)
        return Outcome(status=status, detail=detail, stderr_tail="", seconds=time.monotonic() - started)

    def close(self) -> None:
        self._compiled.clear()

    def _run(self, job: Job, handler: Handler) -> tuple[BoxStatus, str]:
        path, function = job.entry.split(":")
        space = _Space(job.files, self._compile)
        box = harness_kit.Box(dict(job.payload), space.read, _sender(handler))
        try:
            getattr(space.load(path.removesuffix(".py").replace("/", ".")), function)(box)
        except (InfrastructureError, BudgetExceeded):
            raise
        except Exception as error:  # noqa: BLE001 - a boundary recorder: whatever trusted-but-buggy code raises
            return BoxStatus.CRASHED, f"{type(error).__name__}: {error}"
        finally:
            space.forget()
        return BoxStatus.FINISHED, ""

    def _compile(self, path: str, source: bytes) -> CodeType:
        if source not in self._compiled:
            self._compiled[source] = compile(source, f"<harness>/{path}", "exec")
        return self._compiled[source]


def _sender(handler: Handler) -> Callable[[str, Frame], Frame]:
    return lambda kind, body: handler(kind, body)


class _Space:
    """The modules of one harness under unique names, so that parallel runs do not interfere."""

    def __init__(self, files: Mapping[str, bytes], compile_source: Callable[[str, bytes], CodeType]) -> None:
        self._files = files
        self._compile = compile_source
        self._prefix = f"_studbook_inline_{next(_SERIAL)}"
        self._modules: dict[str, ModuleType] = {}

    def read(self, path: str) -> str:
        if path not in self._files:
            raise FileNotFoundError(path)
        return read_text(self._files[path])

    def load(self, name: str) -> ModuleType:
        if name in self._modules:
            return self._modules[name]
        path = f"{name.replace('.', '/')}.py"
        module = ModuleType(f"{self._prefix}_{name}")
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        self._modules[name] = module
        sys.modules[module.__name__] = module  # dataclasses look up their module by name
        exec(self._compile(path, self._files[path]), module.__dict__)  # noqa: S102 - trusted code, see the docstring
        return module

    def forget(self) -> None:
        for module in self._modules.values():
            sys.modules.pop(module.__name__, None)

    def _import(
        self,
        name: str,
        globals_: Mapping[str, Any] | None = None,
        locals_: Mapping[str, Any] | None = None,
        fromlist: tuple[str, ...] = (),
        level: int = 0,
    ) -> ModuleType:
        if name == "harness_kit":
            return harness_kit
        if f"{name.replace('.', '/')}.py" in self._files:
            return self.load(name)
        return builtins.__import__(name, globals_, locals_, fromlist, level)
