"""The one name that an installation adds: the ground lies here, every other package is `studbook.NAME`.

In a checkout those packages are symbolic links to the folders beside this one; installed, they are folders.
"""

from pathlib import Path

if not Path(__file__).with_name("evolve").is_dir():
    raise ImportError(
        "studbook: this checkout has lost its symbolic links (studbook/evolve is not a folder): "
        "run `git config core.symlinks true && git checkout -- studbook`, or install the wheel instead"
    )
