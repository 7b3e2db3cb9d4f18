"""What a spec plugs into a door: a registered name, `module:Object` of the user's, or either with `params`.

Only the name is checked here, against the door's names; nothing is imported.
"""

from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_serializer, model_validator

from studbook.registry import Door


class Choice(BaseModel):
    """`selection: uniform` means `selection: {name: uniform}`, and is written so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    params: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        return {"name": raw} if isinstance(raw, str) else raw

    @model_serializer
    def _as_written(self) -> Any:
        return {"name": self.name, "params": self.params} if self.params else self.name


def named_by(door: Door[Any]) -> AfterValidator:
    """Refuses a name that nothing of this door has, with the nearest one."""

    def check(choice: Choice) -> Choice:
        door.check_name(choice.name)
        return choice

    return AfterValidator(check)


def name_of(door: Door[Any], *, is_quoted: bool = True) -> AfterValidator:
    """The same for a plain name. Where a key might stand in its place, it is not repeated."""
    return AfterValidator(lambda name: door.check_name(name, is_quoted=is_quoted))
