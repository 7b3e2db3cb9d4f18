"""Selection policies: which member becomes the next parent.

One file each, selected by its name in a spec.
"""
