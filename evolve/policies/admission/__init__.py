"""Admission rules: which mutants enter the population. One file each, selected by its name in a spec."""
