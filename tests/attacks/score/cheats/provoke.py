"""Makes a frozen role fail on purpose, in the hope of being measured again or of a round for nothing."""

from harness_kit import Box, BoxError
from kit import play_with, settings


def main(box: Box) -> None:
    asked = settings(box)

    def measure(box: Box, example: dict, honest) -> dict:
        """A bad round is spoilt on purpose and tried again, unchanged, as often as it is allowed to."""
        place = asked.get("place", "question")
        spoilt = {**example, place: f"{example[place]} {asked['order']}"}
        for _ in range(3):
            try:
                box.evaluate(spoilt, solvers="both")
            except BoxError as error:
                box.log(f"provoked: {error}")
        return honest(box, example)

    play_with(box, measure)
