"""A harness's JSON schema reaches an endpoint's grammar compiler, so it is checked like any hostile input."""

import pytest

from studbook.evaluate.reply_schema import check_schema

STRING = {"type": "string"}


def of(properties, **more):
    return {"type": "object", "properties": properties, **more}


def nested(depth):
    return STRING if depth == 1 else of({"a": nested(depth - 1)})


def test_a_schema_of_a_reply_is_left_as_it_is():
    rubric = {"type": "array", "items": of({"weight": {"type": "integer", "minimum": -10}}), "maxItems": 12}
    schema = of(
        {
            "rubric": rubric,
            "kind": {"enum": ["why", 1, None]},
            "alternative": {"anyOf": [STRING, {"type": "null"}]},
        },
        required=["rubric"],
        additionalProperties=False,
        description="An example.",
    )
    assert check_schema(schema) == schema


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({}, "outermost `type`"),
        ({"type": "array", "items": STRING}, "outermost `type`"),
        (of({"a": {"$ref": "http://attacker.example/schema.json"}}), r"`\$ref` is not allowed"),
        ({"type": "object", "$defs": {"a": STRING}}, r"`\$defs` is not allowed"),
        (of({"a": {"type": "string", "pattern": "(a+)+b"}}), "`pattern` is not allowed"),
        (of({"a": {"type": "string", "maxLength": 10**9}}), "`maxLength` is not allowed"),
        (
            of({"a": {"type": "array", "items": STRING, "minItems": 10**9}}),
            "`minItems` must be from 0 to 100",
        ),
        (of({"a": {"type": "array", "items": STRING, "minItems": True}}), "`minItems` has a value"),
        (of({"a": {"type": "array", "items": [STRING]}}), "`items` has a value"),
        (of({"a": {"type": ["string", "null"]}}), "`type` has a value"),
        (of({"a": {"type": "file"}}), "`type` must be one of"),
        (of(["a"]), "`properties` has a value"),
        (of({"a": "string"}), "not an object"),
        (of({"a": {"anyOf": ["string"]}}), "not an object"),
        (of({"a": STRING}, required=[1]), "`required` must list names"),
        (of({"a": {"enum": [{"a": 1}]}}), "`enum` must list plain values"),
        (of({"a": STRING}, additionalProperties=STRING), "`additionalProperties` has a value"),
        (nested(13), "nested more than 12 deep"),
        (of({f"p{n}": STRING for n in range(200)}), "more than 200 nested schemas"),
        (of({"a": {}}), "every nested schema needs `type`, `enum` or `anyOf`"),
        (of({"a": {"type": "array", "items": {"description": "text"}}}), "needs `type`, `enum` or `anyOf`"),
        (of({"a": {"anyOf": []}}), "`anyOf` and `enum` must not be empty"),
        (of({"a": {"enum": []}}), "`anyOf` and `enum` must not be empty"),
        (of({"a": {"type": "string", "description": "x" * 10_000}}), "more than 10000 characters"),
    ],
)
def test_what_is_not_the_shape_of_a_reply_is_refused_with_its_reason(schema, problem):
    with pytest.raises(ValueError, match=problem):
        check_schema(schema)


def test_a_schema_as_deep_and_as_large_as_allowed_passes():
    check_schema(nested(12))
    check_schema(of({f"p{n}": STRING for n in range(199)}))
