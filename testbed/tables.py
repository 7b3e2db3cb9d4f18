"""Reads one of the testbed's tables into frozen records and refuses what does not fit them."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from studbook.tables import damaged, read_toml

T = TypeVar("T")


def read_table(package: str, name: str, kind: type[T]) -> T:
    """The TOML file `name` of `package` as a `kind`, a dataclass with `@with_config(extra="forbid")`.

    Raises IntegrityError with the place of each key that is missing, unknown, or of another type.
    """
    try:
        return TypeAdapter(kind).validate_python(read_toml(package, name))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise damaged(package, name, "; ".join(faults[:3])) from error
