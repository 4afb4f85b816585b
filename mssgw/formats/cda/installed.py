"""What an administrator installed for judging documents, as a process loaded it once for all letters."""

from dataclasses import dataclass, field

from mssgw.core.report import Order
from mssgw.formats.cda.report import Conditions
from mssgw.formats.cda.value_sets import NO_VALUE_SETS, ValueSets
from mssgw.formats.safexsd import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What is not there is not checked. For one thread, as the schema is."""

    value_sets: ValueSets = field(default=NO_VALUE_SETS)
    schema: Schema | None = None

    def conditions(self, order: Order) -> Conditions:
        """Under what the documents of an order are judged in this process."""
        return Conditions(
            profile=order.profile,
            now=order.now,
            environment=order.environment,
            value_sets=self.value_sets,
            schema=self.schema,
        )


NOTHING_INSTALLED = Installed()
