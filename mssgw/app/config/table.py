"""What tables of the file have in common."""

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Table(BaseModel):
    """A table: it does not change, has no other keys, and its errors quote none of what they found."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _listed(value: object) -> object:
    """Only a list is a list: pydantic would take text or a table for one as well."""
    if not isinstance(value, list | tuple):
        raise ValueError("expected a list, in square brackets")
    return value


LIST = BeforeValidator(_listed)
