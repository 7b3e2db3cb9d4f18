"""Streams as servers send them: whole ones become completions, broken ones never do."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import ModelUnavailable, RequestRefused
from studbook.llm.contracts import ChatReply, ChatRequest, Message, ToolCall, Usage
from studbook.llm.openai_backend import BoundedStream, OpenAIBackend
from studbook.llm.secrets import Secret
from studbook.llm.streaming import BrokenStreamError, is_stream, read_stream
from studbook.testbed.scripted import ScriptedBackend
from studbook.testbed.server.server import BackendServer

REQUEST = ChatRequest(
    model="small", messages=(Message(role="user", content="Why?"),), seed=1, temperature=0.0, max_tokens=50
)


def chunk(finish_reason: str | None = None, **delta: object) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def events(*data: str, end: str = "data: [DONE]\n\n") -> str:
    return "".join(f"data: {each}\n\n" for each in data) + end


USAGE = json.dumps({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
WHOLE = events(
    chunk(role="assistant", content=""), chunk(content="be"), chunk(content="cause"), chunk("stop"), USAGE
)


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        WHOLE.replace("data: ", "data:"),
        WHOLE.replace("\n", "\r\n"),
        WHOLE.replace("\n", "\r"),
        WHOLE.replace("data: [DONE]\n\n", ""),
        WHOLE.replace("\n\n", "\n"),
        ": OPENROUTER PROCESSING\n\n" + WHOLE.replace("data: {", ": keep-alive\n\ndata: {"),
        "event: ping\ndata: {}\n\n" + WHOLE.replace("data: {", "event: message\nid: 1\nretry: 5\ndata: {"),
        "\ufeff" + WHOLE.rstrip(),
        WHOLE.replace('{"choices"', '{\ndata: "choices"'),
        "data: null\n\n" + WHOLE,
        "data: ping\n\n" + WHOLE.replace("data: {", "data: ping\n\ndata: {"),
        WHOLE.replace("[DONE]", '"[DONE]"'),
        WHOLE.replace("data: {", 'data: "ping"\n\ndata: {', 1),
    ],
)
def test_a_whole_stream_is_read_however_it_is_written(text: str) -> None:
    assert is_stream(text)
    completion = read_stream(text)
    assert completion["choices"][0]["message"]["content"] == "because"
    assert completion["choices"][0]["finish_reason"] == "stop"
    assert completion["usage"] == {"prompt_tokens": 7, "completion_tokens": 3}


@pytest.mark.parametrize(
    "text",
    [
        events(chunk(content="be")),
        events(chunk(content="be"), end=""),
        events(chunk(content="be"), end='data: {"choices": [{"de'),
        events(end=""),
        events("[]", chunk("stop")),
        events("no JSON", chunk("stop")),
        "",
    ],
)
def test_a_stream_without_an_end_is_no_answer(text: str) -> None:
    with pytest.raises(BrokenStreamError):
        read_stream(text)


@given(st.integers(0, len(WHOLE.split('"stop"')[0])))
def test_no_beginning_of_a_stream_is_an_answer(length: int) -> None:
    with pytest.raises(BrokenStreamError):
        read_stream(WHOLE[:length])


@pytest.mark.parametrize(
    "text",
    [
        events(chunk(content="be"), json.dumps({"error": {"code": 502, "message": "Provider disconnected"}})),
        events(chunk(content="be"), end='event: error\ndata: {"message": "Provider disconnected"}\n\n'),
        events(chunk(content="be"), end="event: error\ndata: Provider disconnected\n\n"),
        events(json.dumps({"object": "error", "message": "Provider disconnected"})),
        events(json.dumps({"type": "error", "message": "Provider disconnected"}), chunk("stop")),
        events(
            chunk(content="be"), json.dumps({"status": 500, "detail": "Provider disconnected"}), chunk("stop")
        ),
    ],
)
def test_an_error_within_a_stream_is_an_error(text: str) -> None:
    assert "Provider disconnected" in json.dumps(read_stream(text)["error"])


def test_thoughts_and_calls_of_tools_are_put_together() -> None:
    def call(index: int, **function: object) -> str:
        return chunk(tool_calls=[{"index": index, "function": function}])

    text = events(
        chunk(reasoning_content="I "),
        chunk(reasoning_content="think."),
        call(0, name="write", arguments=""),
        call(0, name="write", arguments='{"path": '),
        call(1, name="done", arguments=None),
        call(0, arguments='"a.md"}'),
        chunk("tool_calls"),
    )
    message = read_stream(text)["choices"][0]["message"]
    assert message["reasoning_content"] == "I think."
    assert [each["function"] for each in message["tool_calls"]] == [
        {"name": "write", "arguments": '{"path": "a.md"}'},
        {"name": "done", "arguments": ""},
    ]


def test_an_answer_that_was_cut_stays_so_whatever_end_is_told_after_it() -> None:
    text = events(chunk(content="be"), chunk("MAX_TOKENS"), chunk("stop"))
    assert read_stream(text)["choices"][0]["finish_reason"] == "MAX_TOKENS"
    both = [chunk("tool_calls"), chunk("stop")]
    assert read_stream(events(*both))["choices"][0]["finish_reason"] == "stop"


def test_calls_of_one_index_under_two_ids_are_two_calls() -> None:
    def call(arguments: str, **more: object) -> str:
        return chunk(
            tool_calls=[{"index": 0, "function": {"arguments": arguments, **more}, "id": more.get("name")}]
        )

    text = events(call("{", name="one"), call("}"), call("{}", name="two"), call(" "), chunk("tool_calls"))
    message = read_stream(text)["choices"][0]["message"]
    assert [each["function"] for each in message["tool_calls"]] == [
        {"name": "one", "arguments": "{}"},
        {"name": "two", "arguments": "{} "},
    ]


def test_new_ids_within_one_call_are_no_new_calls() -> None:
    parts = [
        ("a", {"name": "one", "arguments": "{"}),
        ("b", {"arguments": "}"}),
        (7, "x"),
        ([], {}),
        (None, {}),
    ]
    text = events(
        *(chunk(tool_calls=[{"index": 0, "id": told, "function": function}]) for told, function in parts),
        chunk("tool_calls"),
    )
    message = read_stream(text)["choices"][0]["message"]
    assert [each["function"] for each in message["tool_calls"]] == [{"name": "one", "arguments": "{}"}]


def test_calls_without_an_index_are_several_calls() -> None:
    calls = [{"id": "a", "function": {"name": "one"}}, {"id": "b", "function": {"name": "two"}}]
    message = read_stream(events(chunk("stop", tool_calls=calls)))["choices"][0]["message"]
    assert [each["function"]["name"] for each in message["tool_calls"]] == ["one", "two"]


def test_a_message_in_the_place_of_deltas_is_read() -> None:
    whole = {"choices": [{"message": {"content": "because"}, "finish_reason": "stop"}]}
    assert read_stream(events(json.dumps(whole)))["choices"][0]["message"] == {"content": "because"}


def streaming(text: str, status: int = 200, key: str = "") -> OpenAIBackend:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, text=text, headers={"content-type": "text/event-stream"})

    return OpenAIBackend(
        name="main",
        base_url="http://models.test/v1",
        api_key=Secret(key),
        stream=True,
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
    )


def test_a_streamed_answer_is_an_answer() -> None:
    reply = streaming(WHOLE).complete(REQUEST)
    assert (reply.text, reply.usage) == ("because", Usage(prompt_tokens=7, completion_tokens=3))


def test_a_broken_stream_is_tried_again_and_a_flagged_one_is_not() -> None:
    with pytest.raises(ModelUnavailable, match="without a finish reason"):
        streaming(events(chunk(content="be"))).complete(REQUEST)
    flagged = events(json.dumps({"error": {"code": 403, "message": "your input was flagged"}}))
    with pytest.raises(RequestRefused, match="flagged"):
        streaming(flagged).complete(REQUEST)


def test_an_answer_that_was_not_streamed_is_read_all_the_same() -> None:
    whole = {"choices": [{"message": {"content": "because"}, "finish_reason": "stop"}]}
    assert streaming(json.dumps(whole)).complete(REQUEST).text == "because"


@pytest.mark.parametrize("stream", [True, False, None])
def test_the_testbed_s_server_gives_the_same_reply_streamed_or_not(stream: bool | None) -> None:
    call = ToolCall(name="done", arguments='{"a": 1}')
    usage = Usage(prompt_tokens=11, completion_tokens=30, cached_tokens=4)
    said = ChatReply(text="because of é and 😀 " * 10, usage=usage, tool_calls=(call,))
    with BackendServer(ScriptedBackend([said]), models=["small"]) as server:
        backend = OpenAIBackend(name="main", base_url=server.base_url, api_key=Secret(), stream=stream)
        reply = backend.complete(REQUEST)
        backend.close()
    assert (reply.text, reply.usage, reply.tool_calls) == (said.text, usage, (call,))


@pytest.mark.parametrize("event", ["x" * 70 + "{key} no JSON", '["' + "x" * 70 + '{key}"]', "\\'{key}"])
def test_a_key_in_a_broken_event_is_masked_whole(event: str) -> None:
    key = "sk-test-0123456789abcdef"
    backend = streaming(events(event.replace("{key}", key)), key=key)
    with pytest.raises(ModelUnavailable) as caught:
        backend.complete(REQUEST)
    assert "****" in str(caught.value)
    assert "0123" not in str(caught.value) and "sk-t" not in str(caught.value)


def test_an_answer_that_speaks_of_the_last_event_is_read_to_its_end() -> None:
    inside = [b'data: {"a": "it ends with data: [DONE]', b' and so on"}\n\n', b"data: [DONE]\n\n"]
    assert list(BoundedStream(Chunks(*inside), 1.0, lambda: 0.0, has_events=True)) == inside
    alone = Chunks(b"data: [DONE]\r\n\r\n")
    assert len(list(BoundedStream(alone, 1.0, lambda: 0.0, has_events=True))) == 1


class Chunks(httpx2.SyncByteStream):
    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        raise AssertionError("read on after the last event")

    def close(self) -> None:
        pass


def test_a_connection_that_stays_open_after_the_last_event_is_left() -> None:
    chunks = Chunks(b"data: {}\n\nda", b"ta: [DO", b"NE]\n\n")
    assert len(list(BoundedStream(chunks, 1.0, lambda: 0.0, has_events=True))) == 3


def test_a_stream_may_take_longer_than_the_timeout_but_not_be_silent() -> None:
    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for piece in events(*[chunk(content="a")] * 5, chunk("stop")).split("\n\n"):
                self.wfile.write(f"{piece}\n\n".encode())
                self.wfile.flush()
                if not silent.wait(0.12) and is_silent:
                    silent.wait(5.0)

        def log_message(self, format: str, *args: object) -> None:
            pass

    silent, is_silent = threading.Event(), False
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        backend = OpenAIBackend(name="main", base_url=url, api_key=Secret(), stream=True, timeout_seconds=0.5)
        assert backend.complete(REQUEST).text == "aaaaa"
        is_silent = True
        with pytest.raises(ModelUnavailable, match="did not answer in time"):
            backend.complete(REQUEST)
        silent.set()
        backend.close()
        server.shutdown()
        thread.join()
