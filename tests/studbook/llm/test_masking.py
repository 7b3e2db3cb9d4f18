"""Keys in what endpoints say: found in every usual spelling, and nothing else is touched."""

import base64
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.llm.secrets import Mask, Secret

KEY = 'q7/Zx+"0Lr\\9vT2m4Kp'
MASK = Mask.of([Secret(KEY), Secret("another-key-1"), Secret("x")])

SPELLINGS = {
    "as it stands": KEY,
    "small letters": KEY.lower(),
    "backwards": KEY[::-1],
    "as JSON": json.dumps(KEY)[1:-1],
    "as JSON in JSON": json.dumps(json.dumps(KEY)[1:-1])[1:-1],
    "as Python": repr(KEY)[1:-1],
    "in a URL": quote(KEY, safe=""),
    "in hex": KEY.encode().hex(),
    "in HEX": KEY.encode().hex().upper(),
    "in base64": base64.b64encode(KEY.encode()).decode().rstrip("="),
    "folded": f"{KEY[:6]}\n    {KEY[6:12]}\r\n{KEY[12:]}",
    "spaced": " ".join(KEY),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_key_is_hidden_in_every_usual_spelling(spelling):
    hidden = MASK.hide_in(f"before {SPELLINGS[spelling]} after")
    assert hidden.startswith("before ****")
    assert hidden.endswith(" after")
    assert (
        len(hidden) <= len("before **** after") + 2
    )  # base64's outermost letters hold no whole letter of a key


@pytest.mark.parametrize("before", ["", "Bearer ", "a:", "ab:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_key_is_hidden_wherever_it_stands_in_base64(before, encode):
    text = encode(f"{before}{KEY} and more".encode()).decode()
    hidden = MASK.hide_in(text)
    assert len(text) + len("****") - len(hidden) >= len(KEY) * 8 // 6 - 1


def test_all_keys_are_hidden_and_the_rest_stays():
    assert MASK.hide_in(f"{KEY}, another-key-1, another key, x") == "****, ****, another key, x"


@pytest.mark.parametrize("placeholder", ["", "x", "none", "ollama"])
def test_a_placeholder_is_no_secret_to_hide(placeholder):
    assert Mask.of([Secret(placeholder)]).hide_in("exceeds none of ollama") == "exceeds none of ollama"


@given(st.text(alphabet='abc \n\\"/+=%0', max_size=60))
def test_text_without_a_key_stays_as_it_is(text):
    assert MASK.hide_in(text) == text


@given(st.text(min_size=8, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_any_key_of_eight_letters_and_more_is_hidden_in_any_text(key, before, after):
    assert key not in Mask.of([Secret(key)]).hide_in(before + key + after).replace("****", "\0")


def test_a_long_reply_takes_no_time():
    text = "The horse, quick and able, ran 7 miles to q7. " * 20_000
    began = time.perf_counter()
    assert MASK.hide_in(text) == text
    assert time.perf_counter() - began < 2.0


def test_a_mask_does_not_show_its_keys():
    assert KEY not in repr(MASK)
