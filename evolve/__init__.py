"""The outer loop: analyze, implement, gate, race, admit, and at the end recommend a champion."""
