"""Model servers that stand in for an endpoint: one file each."""
