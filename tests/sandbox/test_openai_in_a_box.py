"""The unmodified `openai` package inside a box: the endpoint on its loopback is what the package expects."""

import json
import sys
from pathlib import Path

from support.boxes import Recorder, job_of

from studbook.sandbox.contract import BoxStatus, Frame
from studbook.sandbox.process_box import ProcessSandbox


def test_the_openai_package_chats_and_is_told_of_refusals_without_retrying(tmp_path: Path):
    def answer(kind: str, body: Frame) -> Frame:
        if kind == "log":
            return {}
        if body["role"] == "verifier":
            return {"error": {"type": "budget_spent", "message": "all spent"}}
        return {
            "text": "ok",
            "finish_reason": "length",
            "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        }

    job = job_of("""
        import json, openai
        def main(box):
            client = openai.OpenAI()
            messages = [{"role": "user", "content": "x"}]
            ask = client.chat.completions.create
            reply = ask(model="challenger", messages=messages, max_tokens=5)
            choice = reply.choices[0]
            box.log(json.dumps([choice.message.content, choice.finish_reason, reply.usage.total_tokens]))
            for wrong in ({"model": "verifier"}, {"model": "challenger", "tools": []}):
                try:
                    ask(messages=messages, **wrong)
                except openai.APIStatusError as error:
                    box.log(f"{error.status_code} {error.type}")
        """)
    recorder = Recorder(answer)
    outcome = ProcessSandbox(None, folder=tmp_path, python=Path(sys.executable)).run(job, recorder)
    assert outcome.status is BoxStatus.FINISHED, outcome
    assert json.loads(recorder.logged[0]) == ["ok", "length", 3]
    assert recorder.logged[1:] == ["403 budget_spent", "400 refused"]
    assert [kind for kind, _ in recorder.requests].count("chat") == 2
