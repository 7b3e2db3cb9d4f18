"""Readers of papers by name: one file each."""
