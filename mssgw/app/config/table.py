"""What tables of the file have in common."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table: it does not change, has no other keys, and its errors quote none of what they found."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
