"""Finds and builds what a spec plugs in: built-in policies and the user's own.

Finding imports nothing. A user's module is searched for in `plugin_folders`, then among installed packages.
For a run that somebody else made (`distrusting`), only in the folder that the user named: any installed
module could otherwise be called with that run's parameters.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from studbook.errors import PluginError, UsageError
from studbook.evaluate.predicates import PREDICATE
from studbook.evaluate.readers import READER
from studbook.evolve.contracts import ADMISSION, ANALYZER, IMPLEMENTER, KNOBS, SELECTION
from studbook.experiments.spec.model import Choice, Spec
from studbook.experiments.views.display import DISPLAY, Display, FallingBack
from studbook.identity import Json, hash_json
from studbook.llm.endpoints import BACKEND
from studbook.registry import Door, Found
from studbook.sandbox.kinds import SANDBOX

T = TypeVar("T")

# Workers have neither: who opens a run finds and builds its plug-ins in its own thread, and hands them on.
_FOLDERS: ContextVar[tuple[Path, ...]] = ContextVar("folders", default=())
_DISTRUSTS: ContextVar[bool] = ContextVar("distrusts", default=False)


def plugin_folders() -> tuple[Path, ...]:
    """The folder the user named, the spec's folder, then the current folder."""
    return (*_FOLDERS.get(), Path.cwd())


@contextmanager
def plugging(named: str | Path | None = None, *, spec: str | Path | None = None) -> Iterator[None]:
    """Within the block the user's modules are searched for in `named`, and next to `spec` if that is a file.

    Raises UsageError if `named` is not a folder.
    """
    if named is not None and not Path(named).is_dir():
        raise UsageError(f"--plugins {named}: there is no such directory")
    beside = (Path(spec).parent,) if spec is not None and Path(spec).is_file() else ()
    mark = _FOLDERS.set((*((Path(named),) if named is not None else ()), *beside))
    try:
        yield
    finally:
        _FOLDERS.reset(mark)


@contextmanager
def distrusting(*, is_own: bool = False) -> Iterator[None]:
    """Within the block the spec at hand is somebody else's, unless `is_own`."""
    mark = _DISTRUSTS.set(not is_own)
    try:
        yield
    finally:
        _DISTRUSTS.reset(mark)


def find_plugin(door: Door[T], choice: Choice) -> Found:
    """Raises PluginError if it is not found; within `distrusting`, if it is in no folder the user named."""
    if not _DISTRUSTS.get() or choice.name in door.names():
        return door.find(choice.name, choice.params, plugin_folders())
    named = _FOLDERS.get()
    for folder in named:
        with suppress(PluginError):
            found = door.find(choice.name, choice.params, [folder])
            if found.folder == folder.resolve():
                return replace(found, is_defined_there=True)
    raise PluginError(
        f"{door.name} {choice.name}: code named by a run that is not yours is not imported\n"
        "  if you know the code, name the directory it is in: --plugins DIR"
    )


def check_named_code(spec: Spec) -> None:
    """Raises PluginError for a plug-in of somebody else's spec that is in no folder the user named."""
    with distrusting():
        for door, choice in (*chosen(spec).values(), (DISPLAY, spec.display)):
            find_plugin(door, choice)


def chosen(spec: Spec) -> dict[str, tuple[Door[Any], Choice]]:
    """What the spec chooses for each door, by the door's name; readers are numbered."""
    search = spec.search
    pairs: list[tuple[Door[Any], Choice]] = [
        (SELECTION, search.selection),
        (ADMISSION, search.admission),
        (ANALYZER, search.analyzer),
        (IMPLEMENTER, search.implementer),
        (KNOBS, search.knobs),
        (PREDICATE, spec.evaluator.predicate),
        (SANDBOX, Choice(name=spec.sandbox.kind, params=spec.sandbox.params)),
    ]
    named = {door.name: (door, choice) for door, choice in pairs}
    for number, choice in enumerate(spec.corpus.readers, start=1):
        named[f"reader {number}"] = (READER, choice)
    used = {role.endpoint for role in spec.models.roles.values()}
    for name in sorted(used):
        named[f"endpoint {name}"] = (BACKEND, Choice(name=spec.models.endpoints[name].kind))
    return named


def identities(spec: Spec) -> dict[str, str]:
    """Name and code of everything plugged in, as a run records them."""
    return {
        place: _told(find_plugin(door, choice).identity) for place, (door, choice) in chosen(spec).items()
    }


def check_buildable(spec: Spec) -> None:
    """Creates each plug-in once and drops it, so that a mistake is reported before anything is written.

    Raises PluginError. Sandbox and endpoints are left to whoever opens them.
    """
    context = {
        "temperature": spec.search.temperature,
        "chat": _Unasked(),
        "render": str,
        "progress": sys.stderr,
        "results": sys.stdout,
    }
    for door, choice in (*chosen(spec).values(), (DISPLAY, spec.display)):
        if door is not SANDBOX and door is not BACKEND:
            door.build(find_plugin(door, choice), **context)


def open_display(name: str, params: Mapping[str, Any] | None = None) -> Display:
    """The display of that name, or `module:Object`; one of a user's gives way to plain lines if it fails."""
    streams = {"progress": sys.stderr, "results": sys.stdout}
    found = find_plugin(DISPLAY, Choice(name=name, params=dict(params or {})))
    display = DISPLAY.build(found, **streams)
    if found.is_ours:
        return display
    return cast(Display, FallingBack(display, DISPLAY.build(DISPLAY.find("plain"), **streams)))


class _Unasked:
    """Stands for the models while a policy is only checked."""

    def chat(self, call: object) -> object:
        raise PluginError("a policy may not call a model while it is being created")


def _told(identity: dict[str, Json]) -> str:
    return f"{identity['name']} {hash_json(identity)[:16]}"


def plugins_at_hand(recorded: Mapping[str, str], spec: Spec) -> set[str]:
    """The doors whose recorded code is available here."""
    here = set()
    for place, (door, choice) in chosen(spec).items():
        try:
            told = _told(find_plugin(door, choice).identity)
        except PluginError:
            continue
        if recorded.get(place) == told:
            here.add(place)
    return here


def check_plugins(run: str, recorded: Mapping[str, str], spec: Spec) -> None:
    """Raises UsageError naming what is missing or differs from the code the run began with.

    Imports nothing.
    """
    for place, (door, choice) in chosen(spec).items():
        if place not in recorded:
            continue
        began_with = recorded[place].rpartition(" ")[0]
        if began_with != choice.name:
            raise UsageError(
                f"run {run} began with the {place} {began_with}, and its spec now says {choice.name}"
            )
        try:
            here = _told(find_plugin(door, choice).identity)
        except PluginError as error:
            raise UsageError(f"run {run} needs its {place}: {error}") from error
        if here != recorded[place]:
            raise UsageError(
                f"the {place} {choice.name} is not the code that run {run} began with\n"
                "  restore that version of it, or start a new run"
            )
