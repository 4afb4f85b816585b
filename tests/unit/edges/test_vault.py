"""The vault: what only the right key, at the right place, gives back."""

import base64
import hmac
import os
from pathlib import Path

import pytest

from mssgw.core.errors import Undecryptable
from mssgw.edges import vault as vault_module
from mssgw.edges.vault import MessageCipher, UnusableKey, Vault, read_master_key

KEY, OTHER_KEY = bytes(range(32)), bytes(reversed(range(32)))
INS = "279035121518989@patient.mssante.fr"


@pytest.fixture
def vault() -> Vault:
    made = Vault(KEY)
    made.new_secret()
    return made


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "master.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "content",
    [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n", base64.b64encode(KEY), base64.b64encode(KEY) + b"\n"],
    ids=["raw", "hex", "HEX-line", "base64", "base64-line"],
)
def test_a_key_file_is_raw_hex_or_base64(tmp_path: Path, content: bytes) -> None:
    assert read_master_key(key_file(tmp_path, content)) == KEY


@pytest.mark.parametrize("content", [b"", KEY[:-1], KEY + b"\n", KEY.hex().encode()[:-2], b"\xff" * 64, b"secret" * 99])
def test_a_file_that_holds_no_key_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnusableKey, match="expected 32 bytes") as raised:
        read_master_key(key_file(tmp_path, content))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o606])
def test_a_key_that_everybody_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(UnusableKey, match="chmod"):
        read_master_key(key_file(tmp_path, KEY, mode))


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600])
def test_a_key_for_owner_or_group_is_read(tmp_path: Path, mode: int) -> None:
    """systemd gives credentials to their service with mode 0440."""
    assert read_master_key(key_file(tmp_path, KEY, mode)) == KEY


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """Whoever knows whether there is a store says what to do: that it is missing can be told from other faults."""
    with pytest.raises(UnusableKey, match=r"nowhere\.key: no master key there$") as missing:
        read_master_key(tmp_path / "nowhere.key")
    assert isinstance(missing.value.__cause__, FileNotFoundError)


def test_a_master_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(b"short")


def test_a_wrapped_key_opens_for_its_message_only(vault: Vault) -> None:
    data_key = os.urandom(32)
    wrapped = vault.wrap(data_key, "A")
    assert data_key not in wrapped
    assert vault.unwrap(wrapped, "A") == data_key
    for wrong, spool_id in ((wrapped, "B"), (wrapped[:-1], "A"), (b"", "A"), (bytes(48), "A")):
        with pytest.raises(Undecryptable):
            vault.unwrap(wrong, spool_id)
    with pytest.raises(Undecryptable):
        Vault(OTHER_KEY).unwrap(wrapped, "A")


def test_the_store_secret_opens_with_its_master_key_only(vault: Vault) -> None:
    again = Vault(KEY)
    again.open_secret(vault.wrapped_secret())
    assert again.digest("address", INS) == vault.digest("address", INS)
    with pytest.raises(Undecryptable, match="master key"):
        Vault(OTHER_KEY).open_secret(vault.wrapped_secret())


def test_a_rekeyed_vault_keeps_hashes_and_seals(vault: Vault) -> None:
    sealed = vault.seal("address", INS)
    new = vault.rekeyed(OTHER_KEY)
    assert new.unseal("address", sealed) == INS
    assert new.digest("address", INS) == vault.digest("address", INS)
    assert new.key_id != vault.key_id


def test_a_digest_is_hmac_sha256_apart_by_kind_and_store(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_module, "_derive", lambda secret, purpose, length: b"k" * length)
    known = Vault(KEY)
    known.new_secret()
    assert known.digest("address", INS) == hmac.digest(b"k" * 32, f"address\0{INS}".encode(), "sha256")[:16]
    monkeypatch.undo()
    other_store = Vault(KEY)
    other_store.new_secret()
    digests = {vault.digest("address", INS), vault.digest("pair", INS), other_store.digest("address", INS)}
    assert len(digests) == 3


@pytest.mark.parametrize("text", ["", INS, "été", "\udc80 from a lenient header", "x" * 10_000])
def test_a_sealed_value_comes_back_and_only_as_its_kind(vault: Vault, text: str) -> None:
    sealed = vault.seal("address", text)
    assert vault.unseal("address", sealed) == text
    assert vault.digest("subject", text)
    for kind, wrong in (("person", sealed), ("address", sealed[:-1]), ("address", b"")):
        with pytest.raises(Undecryptable):
            vault.unseal(kind, wrong)


def test_a_value_of_a_message_opens_at_its_place_only() -> None:
    cipher = MessageCipher(KEY, "A")
    sealed, again = cipher.seal(b"body", b"text"), cipher.seal(b"body", b"text")
    assert sealed != again, "no nonce comes twice"
    assert sealed[:12] != again[:12]
    assert MessageCipher(KEY, "A").seal(b"body", b"text")[:12] not in (sealed[:12], again[:12])
    assert cipher.unseal(b"body", sealed) == b"text"
    for other, part, wrong in (
        (MessageCipher(KEY, "B"), b"body", sealed),
        (MessageCipher(OTHER_KEY, "A"), b"body", sealed),
        (cipher, b"letter", sealed),
        (cipher, b"body", sealed[:-1]),
        (cipher, b"body", b""),
    ):
        with pytest.raises(Undecryptable):
            other.unseal(part, wrong)


def test_nothing_shows_a_key(vault: Vault) -> None:
    assert repr(vault) == "<Vault>"
    assert KEY.hex() not in repr(vars(MessageCipher(KEY, "A")))


def test_no_nonce_comes_twice_in_processes_that_were_forked_from_one_another() -> None:
    """Two processes may seal a part of one letter, with the one key of its message."""

    def nonce() -> bytes:
        return MessageCipher(KEY, "A").seal(b"body", b"text")[:12]

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, nonce())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    theirs, ours = os.read(reading, 100), nonce()
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 12
    assert abs(int.from_bytes(theirs) - int.from_bytes(ours)) > 1 << 40
