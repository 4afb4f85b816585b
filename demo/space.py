"""The trust space of the demo: authorities, operators, the white list and revocation lists, made when it begins.

All of it is in the form of the real one (rules TLS-4, WL-2, WL-4), and none of it is real.
"""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo import people
from demo.pki import Identity, TrustSpace, dn_text, operator_dn, pem_of
from demo.white_list import Signer, white_list


@dataclass(slots=True)
class Space:
    """``folder`` gets the files that the gateway's configuration names. ``operators``: host to certificate and key.

    ``address``: IP address of Mon espace santé, which certificates are for as well: no name is looked up here.
    """

    folder: Path
    address: str
    operators: dict[str, Identity] = field(init=False)
    _authorities: TrustSpace = field(default_factory=TrustSpace)

    def __post_init__(self) -> None:
        """Make it all. A stranger has a certificate of the same authority, and is in no list."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        made = self._authorities
        hosts = (people.GATEWAY_HOST, people.MES_HOST, people.CLINIC_HOST, people.REVOKED_HOST, people.STRANGER_HOST)
        until = datetime.now(UTC) + timedelta(days=365)
        self.operators = {
            host: made.intermediate.issue(operator_dn(host), host, self.address, not_after=until) for host in hosts
        }
        for host, identity in self.operators.items():
            identity.write_apart(self.folder, host)
        # The intermediate too, as in the real bundle: swaks sends its own certificate alone.
        anchors = pem_of(made.root.certificate, made.intermediate.certificate)
        (self.folder / "anchors.pem").write_bytes(anchors)
        made.write_crls(self.folder, self.operators[people.REVOKED_HOST].serial)
        self._publish()

    def dn(self, host: str) -> str:
        """Its DN as the list writes it."""
        return dn_text(operator_dn(host))

    def server(self, host: str) -> ssl.SSLContext:
        """How a server of the trust space does TLS: it demands the certificate of a client, too."""
        context = self._context(ssl.PROTOCOL_TLS_SERVER, host)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, host: str | None) -> ssl.SSLContext:
        """How an operator connects to another; None: without a certificate."""
        return self._context(ssl.PROTOCOL_TLS_CLIENT, host)

    def _context(self, side: int, host: str | None) -> ssl.SSLContext:
        context = ssl.SSLContext(side)
        context.load_verify_locations(cadata=pem_of(self._authorities.root.certificate).decode())
        if host is not None:
            context.load_cert_chain(self.folder / f"{host}.pem", self.folder / f"{host}.key")
        return context

    def _publish(self) -> None:
        """The signed list, and the certificate of who signed it."""
        listed = [(domain, self.dn(people.GATEWAY_HOST)) for domain in (people.HOSPITAL_DOMAIN, people.PHARMACY_DOMAIN)]
        listed += [(people.PATIENT_DOMAIN, self.dn(host)) for host in (people.MES_HOST, people.REVOKED_HOST)]
        listed.append((people.CLINIC_DOMAIN, self.dn(people.CLINIC_HOST)))
        signer = Signer()
        published = white_list(listed, generated=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        (self.folder / "listeblanche.xml").write_bytes(signer.sign(published))
        (self.folder / "signer.pem").write_bytes(signer.pem)
