import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.identity import canonical_json, derive_seed, hash_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=12,
)


def test_a_seed_is_the_same_on_every_machine():
    assert derive_seed("rollout", 1, "ab", 0) == 2140633500  # first 31 bits of sha256('["rollout",1,"ab",0]')


def test_parts_are_not_run_together():
    assert derive_seed("ab", "c") != derive_seed("a", "bc")
    assert derive_seed(1, 23) != derive_seed(12, 3)
    assert derive_seed("1") != derive_seed(1)


@given(st.lists(st.integers() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_every_seed_fits_a_signed_32_bit_field(parts: list[str | int]):
    assert 0 <= derive_seed(*parts) < 2**31


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values))
def test_key_order_does_not_change_a_hash(value: dict):
    assert hash_json(dict(reversed(list(value.items())))) == hash_json(value)


def test_values_that_are_not_json_are_refused():
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json(float("nan"))
