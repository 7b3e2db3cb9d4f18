"""Kinds of endpoints by name: one file each."""
