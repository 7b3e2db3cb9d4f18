"""Admission rules: which mutants enter the population. One file each; its name is what a spec calls it."""
