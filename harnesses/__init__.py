"""Harnesses, the things that evolve: folders, their manifest, and reading them as immutable trees."""
