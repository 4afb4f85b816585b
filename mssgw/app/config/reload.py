"""What a reload changes, and what waits for a restart: each key is wholly the one or wholly the other.

The keys below are what processes, sockets, store and memory were made of at the start. A reload leaves all of them
as they were and says which would have changed; every other key is in force from then on.
"""

from collections.abc import Sequence
from typing import TypeVar

from mssgw.app.config.clients import Listener
from mssgw.app.config.model import Config
from mssgw.app.config.table import Table

RESTART = {
    "gateway": ("hostname", "workers", "node", "state_dir"),
    "store": ("url", "password_file", "master_key_file", "hot_bodies"),
    "listener": ("name", "role", "address", "socket"),
    "limits": ("body_memory",),
    "documents": ("validators", "deadline"),
    "delivery": ("take_over_after", "connections_per_hop"),
    "trust": (
        "white_list",
        "white_list_signer",
        "white_list_unsigned",
        "white_list_ca",
        "white_list_poll",
        "anchors",
        "certificate",
        "key",
        "crls",
        "crl_poll",
        "crl_grace",
        "purposes",
    ),
    "patient_space": (),  # its coming or going is for the start: routes, listeners and owners fit together
    "retention": ("trace",),
    "metrics": ("address", "allow_remote"),
}
T = TypeVar("T", bound=Table)


def reloaded(old: Config, new: Config) -> tuple[Config, Sequence[str]]:
    """The configuration in force after a reload, and the keys, ``section.key``, that wait for a restart."""
    waiting: list[str] = []
    changed: dict[str, object] = {"listeners": _listeners(old, new, waiting)}
    came_or_went = False
    names: Sequence[str]
    for section, keys in RESTART.items():
        before, after = getattr(old, section, None), getattr(new, section, None)
        if section == "listener" or before is after is None:
            continue
        if before is None or after is None:  # such a table came or went: the one or the other, from the start
            changed[section], names, came_or_went = before, [""], True
        else:
            changed[section], names = _kept(before, after, keys)
        waiting += [f"{section}.{name}".rstrip(".") for name in names]
    if came_or_went:
        # They fit together: TLS or none, whose certificate; who is known by networks, and called in clear text.
        changed |= {"listeners": old.listeners, "trusted_domains": old.trusted_domains}
        waiting += ["trusted_domain"] if new.trusted_domains != old.trusted_domains else []
    return new.model_copy(update=changed), waiting


def _listeners(old: Config, new: Config, waiting: list[str]) -> tuple[Listener, ...]:
    """Sockets stay; how each is served changes. When one came or went, all stay as they are."""
    if [each.name for each in old.listeners] != [each.name for each in new.listeners]:
        waiting.append("listener")
        return old.listeners
    merged = []
    for before, after in zip(old.listeners, new.listeners, strict=True):
        listener, names = _kept(before, after, RESTART["listener"])
        waiting += [f"listener.{before.name}.{name}" for name in names]
        merged.append(listener)
    return tuple(merged)


def _kept(old: T, new: T, keys: Sequence[str]) -> tuple[T, Sequence[str]]:
    """``new`` with these keys as in ``old``, and which of them that changes."""
    differing = tuple(key for key in keys if getattr(old, key) != getattr(new, key))
    return new.model_copy(update={key: getattr(old, key) for key in differing}), differing


__all__ = ["RESTART", "reloaded"]
