"""A Meter for whoever measures nothing: commands and tests."""


class Unmetered:
    """ports.Meter that forgets."""

    def observe(self, name: str, value: float) -> None:
        """Nothing."""

    def count(self, name: str, kind: str) -> None:
        """Nothing."""


UNMETERED = Unmetered()
