"""Sandboxes by name: one file each, with a function that opens it.

Nothing here is imported before it is chosen.
"""
