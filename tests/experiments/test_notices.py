"""notices.jsonl keeps every notice; people are told each thing once a minute."""

import json
from datetime import UTC, datetime, timedelta

from studbook.experiments.run.notices import NoticeLog
from studbook.llm.contracts import ModelNotice, NoticeKind


def notice(kind: NoticeKind, attempt: int, message: str = "cannot be reached\nthere\ndo this") -> ModelNotice:
    return ModelNotice(
        kind=kind,
        role="challenger",
        endpoint="openai",
        model="some",
        key="k",
        attempt=attempt,
        wait_seconds=4.0,
        message=message,
    )


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def test_many_calls_that_fail_for_one_reason_are_told_once_a_minute_and_all_written(tmp_path):
    told, clock = [], Clock()
    log = NoticeLog(tmp_path / "notices.jsonl", told.append, clock)
    for _ in range(5):
        log.model(notice(NoticeKind.FAILURE, 6))
    assert told == ["challenger (openai, some): cannot be reached"]
    clock.time += timedelta(seconds=61)
    log.model(notice(NoticeKind.FAILURE, 6))
    log.model(notice(NoticeKind.FAILURE, 6, "HTTP 500"))
    assert told[1:] == ["challenger (openai, some): cannot be reached", "challenger (openai, some): HTTP 500"]
    lines = (tmp_path / "notices.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["failure"] * 7


def test_a_retry_is_told_from_the_third_on_with_its_wait(tmp_path):
    told = []
    log = NoticeLog(tmp_path / "notices.jsonl", told.append, Clock())
    for attempt in (1, 2, 3, 3, 4):
        log.model(notice(NoticeKind.RETRY, attempt))
    assert told == [
        "challenger (openai, some): cannot be reached; attempt 3, next in 4 s",
        "challenger (openai, some): cannot be reached; attempt 4, next in 4 s",
    ]


def test_waiting_for_an_endpoint_another_model_and_its_return_are_told_at_once(tmp_path):
    told = []
    log = NoticeLog(tmp_path / "notices.jsonl", told.append, Clock())
    log.model(notice(NoticeKind.WAITING, 12))
    log.model(notice(NoticeKind.WAITING, 13))
    log.model(notice(NoticeKind.RECOVERED, 1, "answers again after 42 s"))
    log.model(notice(NoticeKind.OTHER_MODEL, 1, "the reply says it is of model 'tiny'\nthere\ndo this"))
    assert told == [
        "challenger (openai, some): cannot be reached; the run waits for it, next try in 4 s",
        "challenger (openai, some): answers again after 42 s",
        "challenger (openai, some): the reply says it is of model 'tiny'",
    ]
