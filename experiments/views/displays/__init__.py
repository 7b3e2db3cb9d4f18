"""Displays: one a file, its name the file's; what it offers is `plugin`."""
