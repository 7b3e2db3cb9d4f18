"""Reads one of the testbed's tables into frozen records and rejects anything that does not fit."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from studbook.tables import damaged, read_toml

T = TypeVar("T")


def read_table(package: str, name: str, kind: type[T]) -> T:
    """The TOML file `name` of `package` as a `kind`, a dataclass with `@with_config(extra="forbid")`.

    Raises IntegrityError with the path of each key that is missing, unknown, or of the wrong type.
    """
    try:
        return TypeAdapter(kind).validate_python(read_toml(package, name))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise damaged(package, name, "; ".join(faults[:3])) from error
