"""Studbook as a library: `import studbook` exports what `reading.py` and `working.py` offer."""
