"""Displays: one per file, named after the file, each providing `plugin`."""
