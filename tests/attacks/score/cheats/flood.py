"""Spends whatever it can: chat calls, logs, examples, from many threads, and never anything useful."""

import threading

from harness_kit import Box, BoxError


def main(box: Box) -> None:
    threads = [threading.Thread(target=spend, args=(box, number)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def spend(box: Box, number: int) -> None:
    for turn in range(60):
        box.log("x" * 3000)
        try:
            box.chat("challenger", [{"role": "user", "content": f"Say {number} and {turn}."}], max_tokens=32)
        except BoxError:
            continue
