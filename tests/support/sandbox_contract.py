"""What every sandbox guarantees, as one test class: inherit it and give the fixture `sandbox`."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.boxes import Recorder, job_of

from studbook.errors import BudgetExceeded, ModelUnavailable
from studbook.sandbox.contract import BoxStatus, Frame, Sandbox


class SandboxContract:
    """Fixture wanted: `sandbox`."""

    def test_a_harness_reads_its_paper_its_knobs_and_its_files(self, sandbox: Sandbox):
        recorder = Recorder()
        job = job_of(
            """
            from parts.helper import shout
            def main(box):
                box.log(box.paper.id + "|" + box.paper.title + "|" + box.paper.text)
                box.log(repr(sorted(box.knobs.items())) + repr(box.max_rounds))
                box.log(shout(box.read("prompts/ask.md")))
            """,
            {"parts/helper.py": b"def shout(t): return t.upper()", "prompts/ask.md": "fr\u00e4g".encode()},
        )
        outcome = sandbox.run(job, recorder)
        assert (outcome.status, outcome.detail) == (BoxStatus.FINISHED, "returned")
        assert recorder.logged == [
            "p1|On gears|Gears turn – slowly. 𝔘",
            "[('max_rounds', 5), ('temperature', 0.7)]5",
            "FRÄG",
        ]

    def test_files_with_a_byte_order_mark_and_other_line_ends_are_read_as_python_reads_them(
        self, sandbox: Sandbox
    ):
        recorder = Recorder()
        job = job_of(
            "\ufefffrom helper import shout\r\ndef main(box):\r\n    box.log(shout(box.read('ask.md')))\r\n",
            {
                "helper.py": "\ufeffdef shout(t):\r    return repr(t.upper())\r".encode(),
                "ask.md": "\ufeffone\r\ntwo\r".encode(),
            },
        )
        assert sandbox.run(job, recorder).status is BoxStatus.FINISHED
        assert recorder.logged == [repr("ONE\nTWO\n")]

    def test_a_chat_carries_exactly_what_was_asked_and_returns_the_text(self, sandbox: Sandbox):
        recorder = Recorder({"text": "forty-two \u2028 😀", "finish_reason": "stop"})
        job = job_of("""
            def main(box):
                messages = [{"role": "user", "content": "why?"}]
                box.log(box.chat("challenger", messages))
                box.chat("verifier", messages, temperature=0.5, max_tokens=7, json_mode=True)
            """)
        assert sandbox.run(job, recorder).status is BoxStatus.FINISHED
        message = {"role": "user", "content": "why?"}
        assert recorder.requests == [
            ("chat", {"role": "challenger", "messages": [message]}),
            ("log", {"text": "forty-two \u2028 😀"}),
            (
                "chat",
                {
                    "role": "verifier",
                    "messages": [message],
                    "temperature": 0.5,
                    "max_tokens": 7,
                    "json_mode": True,
                },
            ),
        ]

    def test_an_evaluation_returns_the_report(self, sandbox: Sandbox):
        report = {
            "round": 1,
            "status": "rejected",
            "weak": {"average": 0.81, "scores": [1, 0.5]},
            "gap": None,
        }
        recorder = Recorder(report)
        job = job_of("""
            import json
            def main(box):
                report = box.evaluate({"question": "q"}, solvers="weak")
                if report["status"] == "rejected":
                    box.log(json.dumps(report, sort_keys=True))
            """)
        sandbox.run(job, recorder)
        assert recorder.requests[0] == ("evaluate", {"example": {"question": "q"}, "solvers": "weak"})
        assert recorder.logged[0].startswith('{"gap": null, "round": 1, "status": "rejected"')

    @pytest.mark.parametrize(
        ("type_", "exception"),
        [
            ("model_failed", "ModelFailed"),
            ("budget_spent", "BudgetSpent"),
            ("malformed_example", "MalformedExample"),
            ("refused", "BoxError"),
        ],
    )
    def test_an_error_reply_is_an_exception_of_its_own(self, sandbox: Sandbox, type_: str, exception: str):
        recorder = Recorder(
            lambda kind, _: {"error": {"type": type_, "message": "no"}} if kind == "chat" else {}
        )
        job = job_of("""
            from harness_kit import BoxError
            def main(box):
                try:
                    box.chat("challenger", [])
                except BoxError as error:
                    box.log(type(error).__name__ + ": " + str(error))
            """)
        sandbox.run(job, recorder)
        assert recorder.logged == [f"{exception}: no"]

    def test_an_exception_is_a_crash_with_its_type_message_and_traceback(self, sandbox: Sandbox):
        outcome = sandbox.run(job_of("def main(box):\n    raise KeyError('rubric\\x1b[2J')\n"), Recorder())
        assert outcome.status is BoxStatus.CRASHED
        assert outcome.detail == "KeyError: 'rubric\\x1b[2J'"
        assert 'agent.py", line 2, in main' in outcome.stderr_tail

    @pytest.mark.parametrize(
        ("source", "status", "detail"),
        [
            ("import sys\ndef main(box): sys.exit(0)", BoxStatus.FINISHED, "returned"),
            ("import sys\ndef main(box): sys.exit('no')", BoxStatus.CRASHED, "SystemExit: no"),
            ("def main(box): exit('no')", BoxStatus.CRASHED, "SystemExit: no"),
            ("import os\ndef main(box): os._exit(0)", BoxStatus.FINISHED, "exited with status 0"),
            ("import os\ndef main(box): os._exit(9)", BoxStatus.CRASHED, "exited with status 9"),
            ("import os\ndef main(box): os.kill(os.getpid(), 11)", BoxStatus.CRASHED, "killed by signal 11"),
            ("def main(box) return", BoxStatus.CRASHED, "SyntaxError: "),
            ("import nothing_like_this", BoxStatus.CRASHED, "ModuleNotFoundError: "),
            ("x = 1", BoxStatus.CRASHED, "AttributeError: "),
        ],
    )
    def test_every_other_end_is_told_apart(
        self, sandbox: Sandbox, source: str, status: BoxStatus, detail: str
    ):
        outcome = sandbox.run(job_of(source), Recorder())
        assert outcome.status is status
        assert outcome.detail.startswith(detail)

    def test_what_is_printed_comes_back_bounded_and_without_control_characters(self, sandbox: Sandbox):
        job = job_of("""
            def main(box):
                print("first" + "x" * 100_000)
                print("\\x1b[31mlast")
            """)
        outcome = sandbox.run(job, Recorder())
        assert len(outcome.stderr_tail) <= 4096
        assert outcome.stderr_tail.endswith("\N{REPLACEMENT CHARACTER}[31mlast\n")

    def test_a_harness_past_its_time_is_ended(self, sandbox: Sandbox):
        source = "import time\ndef main(box):\n    print('here', flush=True)\n    time.sleep(60)\n"
        outcome = sandbox.run(job_of(source, wall_seconds=0.5), Recorder())
        assert outcome.status is BoxStatus.TIMED_OUT
        assert outcome.detail == "over 0.5 s of its own time"
        assert outcome.stderr_tail == "here\n"
        assert outcome.seconds < 10

    def test_a_slow_model_is_not_a_slow_harness(self, sandbox: Sandbox):
        def slow(_kind: str, _body: Frame) -> Frame:
            time.sleep(1.5)
            return {"text": "late"}

        job = job_of("def main(box): box.chat('challenger', [])", wall_seconds=1.0)
        assert sandbox.run(job, slow).status is BoxStatus.FINISHED

    def test_requests_from_many_threads_get_their_own_replies(self, sandbox: Sandbox):
        recorder = Recorder(
            lambda _, body: {"text": body["messages"][0]["content"]} if "messages" in body else {}
        )
        job = job_of("""
            from concurrent.futures import ThreadPoolExecutor
            def main(box):
                ask = lambda n: box.chat("challenger", [{"role": "user", "content": str(n)}])
                with ThreadPoolExecutor(40) as pool:
                    answers = list(pool.map(ask, range(120)))
                box.log(str(answers == [str(n) for n in range(120)]))
            """)
        assert sandbox.run(job, recorder).status is BoxStatus.FINISHED
        assert recorder.logged == ["True"]

    def test_a_reply_may_be_large(self, sandbox: Sandbox):
        recorder = Recorder({"text": "y" * 2_000_000})
        job = job_of(
            "def main(box): box.log(str(len(box.chat('challenger', [{'content': 'x' * 2_000_000}]))))"
        )
        assert sandbox.run(job, recorder).status is BoxStatus.FINISHED
        assert recorder.logged == ["2000000"]

    @pytest.mark.parametrize("error", [ModelUnavailable("the endpoint is down"), BudgetExceeded("spent")])
    def test_an_error_of_the_handler_ends_the_box_and_comes_back(self, sandbox: Sandbox, error: Exception):
        def fail(_kind: str, _body: Frame) -> Frame:
            raise error

        job = job_of("import time\ndef main(box):\n    box.chat('challenger', [])\n    time.sleep(60)")
        with pytest.raises(type(error), match=str(error)):
            sandbox.run(job, fail)

    def test_more_requests_than_allowed_end_the_box(self, sandbox: Sandbox):
        recorder = Recorder({})
        outcome = sandbox.run(job_of("def main(box):\n    while True: box.log('x')", requests=25), recorder)
        assert (outcome.status, outcome.detail) == (BoxStatus.OUT_OF_LIMITS, "over 25 requests")
        assert len(recorder.requests) == 25

    def test_a_job_too_large_for_a_frame_is_out_of_limits(self, sandbox: Sandbox):
        job = job_of("def main(box): pass", {"big.txt": b"x" * 5_000_000})
        outcome = sandbox.run(job, Recorder())
        assert outcome.status is BoxStatus.OUT_OF_LIMITS

    def test_a_request_too_large_is_refused_and_the_harness_goes_on(self, sandbox: Sandbox):
        recorder = Recorder({})
        job = job_of("""
            from harness_kit import BoxError
            def main(box):
                try:
                    box.log("x" * 5_000_000)
                except BoxError as error:
                    box.log("refused")
            """)
        assert sandbox.run(job, recorder).status is BoxStatus.FINISHED
        assert recorder.logged == ["refused"]

    def test_a_harness_goes_on_after_requests_that_the_shim_refused(self, sandbox: Sandbox):
        recorder = Recorder({})
        job = job_of("""
            from harness_kit import BoxError
            def main(box):
                large = {"text": "x" * 5_000_000}
                for kind, body in (("log", {"text": "\\ud800"}), ("admit", {}), ("log", large)):
                    for _ in range(2):
                        try:
                            box._request(kind, body)
                        except BoxError:
                            box.log("refused")
            """)
        assert sandbox.run(job, recorder).status is BoxStatus.FINISHED
        assert recorder.logged == ["refused"] * 6

    def test_the_openai_wire_format_is_served_on_the_boxs_loopback(self, sandbox: Sandbox):
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        recorder = Recorder(
            lambda kind, _: (
                {"text": "hello", "finish_reason": "stop", "usage": usage} if kind == "chat" else {}
            )
        )
        job = job_of("""
            import json, os, urllib.error, urllib.request
            def post(body):
                url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
                headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
                request = urllib.request.Request(url, json.dumps(body).encode(), headers)
                try:
                    with urllib.request.urlopen(request) as response:
                        return json.load(response)
                except urllib.error.HTTPError as error:
                    return error.code
            def main(box):
                messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
                reply = post({"model": "challenger", "messages": messages, "max_completion_tokens": 9})
                said = reply["choices"][0]["message"]["content"]
                box.log(json.dumps([said, reply["usage"]["total_tokens"]]))
                box.log(str(post({"model": "challenger", "messages": messages, "tools": []})))
                box.log(str(post({"model": "challenger", "messages": messages, "n": 5})))
                part = {"type": "image_url", "image_url": {"url": "http://x"}}
                image = [{"role": "user", "content": [part]}]
                box.log(str(post({"model": "challenger", "messages": image})))
            """)
        assert sandbox.run(job, recorder).status is BoxStatus.FINISHED
        assert recorder.requests[0] == (
            "chat",
            {"role": "challenger", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
        )
        assert recorder.logged == ['["hello", 5]', "400", "400", "400"]

    def test_boxes_run_side_by_side(self, sandbox: Sandbox):
        meeting = threading.Barrier(3, timeout=30)

        def meet(_kind: str, _body: Frame) -> Frame:
            meeting.wait()
            return {}

        job = job_of("def main(box): box.log('here')")
        with ThreadPoolExecutor(3) as pool:
            outcomes = list(pool.map(lambda _: sandbox.run(job, meet), range(3)))
        assert [outcome.status for outcome in outcomes] == [BoxStatus.FINISHED] * 3

    def test_the_box_knows_nothing_but_its_job(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-host")
        recorder = Recorder()
        job = job_of("""
            import os
            def main(box):
                box.log(",".join(sorted(set(os.environ) - {"LC_CTYPE", "LD_LIBRARY_PATH", "STUDBOOK_BOX"})))
                box.log(os.environ["OPENAI_API_KEY"])
            """)
        sandbox.run(job, recorder)
        assert recorder.logged == ["HOME,LANG,OPENAI_API_KEY,OPENAI_BASE_URL,PATH,TMPDIR", "box"]

    def test_it_says_what_it_is(self, sandbox: Sandbox):
        assert sandbox.identity["kind"] == sandbox.name
        assert len(sandbox.identity["shim"]) == 64
