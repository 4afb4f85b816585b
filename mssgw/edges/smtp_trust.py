"""Whether the server at the other end may have our letters: asked after each handshake, and again before each letter.

The handshake proves chain, dates, purpose and host name; ports.Trust knows who was revoked and whose certificate the
white list names for the domain. What is not certain is not trusted.
req: TLS-5, TLS-6, TLS-7
"""

import ssl
from datetime import UTC, datetime

import structlog

from mssgw.core.delivery import DISTRUSTED, Deferred
from mssgw.core.replies import Reply
from mssgw.core.routes import Route
from mssgw.core.trust import LIST_UNUSABLE, NO_CERTIFICATE, Chain, Check, Distrust, unfit
from mssgw.edges import evidence
from mssgw.edges.certificates import chain_of
from mssgw.ports import Trust

SERVER = frozenset({"serverAuth"})  # what the certificate of one that takes our letters is for
_BAD_CHAIN = Reply(554, DISTRUSTED, "Chaine de certificats refusee")
WRONG_HOST = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH

# What the sender's failure notice says of it, and queue show.
_WHY = {
    Check.CERTIFICATE: "il ne presente pas de certificat",
    Check.CHAIN: "son certificat n'est pas valable ou pas de l'IGC-Sante",
    Check.SUBJECT: "le nom (DN) de son certificat n'est pas lisible sans ambiguite",
    Check.HOST: "son certificat n'est pas pour ce nom d'hote",
    Check.REVOCATION: "son certificat est revoque",
    Check.OPERATOR: "son certificat n'est celui d'aucun operateur de la liste blanche MSSante",
    Check.DOMAIN: "son certificat n'est pas celui d'un operateur de ce domaine (liste blanche MSSante)",
}
_UNKNOWN = {
    Check.REVOCATION: Reply(451, "4.7.1", "Etat de revocation du certificat du serveur suivant inconnu"),
    Check.WHITE_LIST: Reply(451, "4.7.1", "Liste blanche MSSante indisponible : serveur suivant non verifiable"),
}
_NOT_KNOWN = Reply(451, "4.7.1", "Le serveur suivant n'est pas verifiable pour le moment")

log = structlog.get_logger("mssgw.delivery")


class NotTrusted(Exception):
    """The peer may have nothing of ours. ``chain``: what it showed, as far as it is known."""

    def __init__(self, distrust: Distrust, chain: Chain = ()) -> None:
        super().__init__(distrust.check.value)
        self.distrust, self.chain = distrust, chain

    def outcome(self, host: str) -> Deferred:
        """What becomes of the letter: it waits, shorter when it is about the peer and not about what we lack."""
        check, about_the_peer = self.distrust.check, self.distrust.reply.permanent
        if about_the_peer:
            why = _WHY.get(check, check.value)
            reply = Reply(454, DISTRUSTED, f"Le serveur suivant n'est pas de confiance : {why}")
        else:
            reply = _UNKNOWN.get(check, _NOT_KNOWN)
        return Deferred(reply=reply, next_hop=host, alarm=True, distrust=about_the_peer)


class Vetting:
    """Asks ports.Trust about peers, for routes that want it (TlsPolicy.MUTUAL). Without a Trust nobody is trusted."""

    def __init__(self, trust: Trust | None) -> None:
        self._trust = trust

    def admit(self, tls: object, route: Route) -> Chain:
        """The chain that this connection's handshake verified. Raises NotTrusted."""
        chain = chain_of(tls) if isinstance(tls, ssl.SSLObject) else ()
        if (distrust := self._about(chain, route)) is not None:
            raise NotTrusted(distrust, chain)
        return chain

    def still_admits(self, chain: Chain, route: Route, host: str) -> bool:
        """Whether a letter may go out on a connection that was admitted before; says so when not."""
        if (distrust := self._about(chain, route)) is None:
            return True
        tell(NotTrusted(distrust, chain), route, host, kept=True)
        return False

    def _about(self, chain: Chain, route: Route) -> Distrust | None:
        if not chain:
            return Distrust(check=Check.CERTIFICATE, reply=NO_CERTIFICATE)
        if self._trust is None or not route.domain:
            return Distrust(check=Check.WHITE_LIST, reply=LIST_UNUSABLE, detail="no trust space is configured")
        # A connection may outlive the certificates that it was opened with.
        return unfit(chain, SERVER, datetime.now(UTC)) or self._trust.vouch(chain, route.domain)


def refused_in_the_handshake(error: ssl.SSLCertVerificationError) -> NotTrusted:
    """The same for what OpenSSL found."""
    check = Check.HOST if error.verify_code in WRONG_HOST else Check.CHAIN
    return NotTrusted(Distrust(check=check, reply=_BAD_CHAIN, detail=error.verify_message))


def tell(trouble: NotTrusted, route: Route, host: str, *, kept: bool = False) -> None:
    """Log which check failed, and of whom. The alarm is the letter's own: delivery.deferred."""
    distrust = trouble.distrust
    log.warning(
        "delivery.peer_not_trusted",
        route=route.name,
        host=host,
        port=route.port,
        domain=route.domain,
        check=distrust.check.value,
        dn=evidence.dn(trouble.chain[0]) if trouble.chain else "",
        detail=evidence.detail(distrust.detail, trouble.chain),
        kept=kept,
    )
