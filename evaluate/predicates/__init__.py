"""Acceptance predicates by name: one file each, frozen. `bounds` takes its bounds from the spec."""
