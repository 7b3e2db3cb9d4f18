"""Sources of generated papers, one file each."""
