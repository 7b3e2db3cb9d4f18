"""The outer loop: analyze, implement, gate, race, admit, and finally recommend a champion."""
