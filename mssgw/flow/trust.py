"""Who is trusted at this moment: the chain that a peer showed, held against revocation and the white list (TLS-6)."""

from collections.abc import Callable, Set

from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.core.names import Name
from mssgw.core.trust import (
    BAD_SUBJECT,
    FOREIGN_DOMAIN,
    LIST_UNUSABLE,
    NO_CERTIFICATE,
    UNLISTED_DOMAIN,
    UNLISTED_OPERATOR,
    Chain,
    Check,
    Distrust,
    WhiteList,
)
from mssgw.ports import Revocation

_NO_LIST = Distrust(check=Check.WHITE_LIST, reply=LIST_UNUSABLE, detail="no white list, or one too old")


class TrustSpace:
    """The Trust port, over what is known now. Cheap: asked for each letter.

    Chain, dates and purpose, and the host that a server is for, are the TLS layer's to check.
    """

    def __init__(
        self, *, usable: Callable[[], WhiteList | None], revocation: Revocation, ours: Callable[[], Set[str]]
    ) -> None:
        """``usable``: WhiteListKeeper.usable. ``ours``: domains of our own establishments, as configured now."""
        self._usable, self._revocation, self._ours = usable, revocation, ours
        self._known: tuple[WhiteList, frozenset[str], dict[Name, Client]] | None = None

    def admit(self, chain: Chain) -> Client | Distrust:
        peer = self._identify(chain)
        if isinstance(peer, Distrust):
            return peer
        if (white_list := self._usable()) is None:
            return _NO_LIST
        if peer not in white_list.domains:
            return Distrust(check=Check.OPERATOR, reply=UNLISTED_OPERATOR, detail=peer.text)
        return self._client(white_list, peer)

    def vouch(self, chain: Chain, domain: str) -> Distrust | None:
        peer = self._identify(chain)
        if isinstance(peer, Distrust):
            return peer
        if (white_list := self._usable()) is None:
            return _NO_LIST
        may = white_list.operators.get(domain)
        if may is None:
            return Distrust(check=Check.DOMAIN, reply=UNLISTED_DOMAIN, detail=domain)
        if peer in may:
            return None
        if peer not in white_list.domains:
            return Distrust(check=Check.OPERATOR, reply=UNLISTED_OPERATOR, detail=f"{peer.text}, for {domain}")
        return Distrust(check=Check.DOMAIN, reply=FOREIGN_DOMAIN, detail=f"{peer.text}, for {domain}")

    def listed(self, domain: str) -> bool | Distrust:
        white_list = self._usable()
        return domain in white_list.operators if white_list is not None else _NO_LIST

    def _identify(self, chain: Chain) -> Name | Distrust:
        """Whose chain it is, unless something in it is not to be trusted, whoever that may be."""  # req: TLS-5, TLS-6
        if not chain:
            return Distrust(check=Check.CERTIFICATE, reply=NO_CERTIFICATE, detail="none was presented")
        subject = chain[0].subject
        if subject is None:
            return Distrust(check=Check.SUBJECT, reply=BAD_SUBJECT, detail=chain[0].flaw)
        return self._revocation.check(chain) or subject

    def _client(self, white_list: WhiteList, peer: Name) -> Client:
        """An operator speaks for what is listed for it, but never for us, whatever is listed (SD-5).

        One operator has 2,800 domains: the set is made once for each list and configuration.
        """
        ours = self._ours()
        known = self._known
        if known is None or known[0] is not white_list or known[1] != ours:
            known = self._known = (white_list, frozenset(ours), {})
        client = known[2].get(peer)
        if client is None:
            # "=" is in no name that a configuration gives: an operator is never taken for an establishment.
            name = f"CN={peer.common_name}"
            client = Client(name=name, role=Role.TRUST_SPACE, domains=white_list.domains[peer] - known[1])
            known[2][peer] = client
        return client
