"""Selection policies: which member becomes the next parent.

One file each; its name is what a spec calls it.
"""
