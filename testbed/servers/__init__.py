"""Model servers that replace a real endpoint, one file each."""
