"""Models: one client for every role, its records, and the built-in testbed."""
