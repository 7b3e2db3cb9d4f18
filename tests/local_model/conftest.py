"""Collected only by `make test-llm`, which sets STUDBOOK_LOCAL_MODEL=1: it needs 200 MB and some minutes."""

import os

collect_ignore_glob = [] if os.environ.get("STUDBOOK_LOCAL_MODEL") == "1" else ["test_*.py"]
