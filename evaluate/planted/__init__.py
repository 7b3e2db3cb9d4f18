"""Planted cases: examples and answers whose truth is known, to measure how often frozen models err."""
