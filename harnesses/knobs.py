"""Changing the numeric knobs of a harness: only the `value` in harness.yaml's text, comments and all kept."""

from collections.abc import Mapping

from harnesses.manifest import FILE_NAME, Knob, read_manifest
from harnesses.strict_yaml import scalar_span
from harnesses.tree import HarnessTree
from studbook.errors import ManifestError


def set_knobs(tree: HarnessTree, values: Mapping[str, float]) -> HarnessTree:
    """A tree with these knob values; the text of those that stay is left alone.

    Raises ManifestError for an unknown knob or a value out of its range.
    """
    knobs = {knob.name: knob for knob in tree.manifest.knobs}
    text = tree.files[FILE_NAME].decode("utf-8")
    for name, value in values.items():
        if name not in knobs:
            known = ", ".join(knobs) or "none"
            raise ManifestError(f"{FILE_NAME}: there is no knob `{name}`. Knobs: {known}.")
        if value == knobs[name].value:
            continue
        start, end = scalar_span(text, ("knobs", name, "value"))
        text = text[:start] + _spell(knobs[name], value) + text[end:]
    changed = tree.replace({FILE_NAME: text.encode("utf-8")})
    read_manifest(changed.files)
    return changed


def _spell(knob: Knob, value: float) -> str:
    """As YAML reads it back: an exponent needs a decimal point."""
    if knob.is_integer and float(value).is_integer():
        return str(int(value))
    text = repr(float(value))
    return text.replace("e", ".0e") if "e" in text and "." not in text else text
