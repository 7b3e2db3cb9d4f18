"""Papers that are made: one file for each source."""
