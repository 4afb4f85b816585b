"""The chain of our own certificate, as other operators' handshakes build it: to hold it against revocation."""

from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mssgw.core.trust import Chain
from mssgw.edges.certificates import certificate, signed_by


def own_chain(ours: Sequence[x509.Certificate], anchors: Iterable[x509.Certificate]) -> Chain:
    """From the leaf and what stands behind it: leaf first, a self-signed anchor last where the chain gets there.

    Intermediates may stand on either side. Dates are not looked at.
    """
    path = _path(ours[0], [*ours[1:], *anchors])
    return tuple(certificate(each.public_bytes(Encoding.DER)) for each in path)


def _path(leaf: x509.Certificate, signers: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    path = [leaf]
    while not signed_by(path[-1], path[-1]):
        above = next((each for each in signers if each not in path and signed_by(path[-1], each)), None)
        if above is None:
            break
        path.append(above)
    return path
