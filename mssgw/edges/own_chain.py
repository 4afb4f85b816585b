"""The chain of our own certificate, as other operators' handshakes build it: to hold it against revocation."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mssgw.core.trust import Chain
from mssgw.edges.certificates import certificate, loaded, signed_by


def own_chain(ours: bytes, anchors: bytes) -> Chain:
    """From two PEM files: leaf first, a self-signed anchor last where the chain gets there.

    Intermediates may stand in either. Dates are not looked at. Raises UnreadableCertificates, IndexError for no leaf.
    """
    chain = loaded(ours)
    leaf, signers = chain[0], [*chain[1:], *loaded(anchors)]
    return tuple(certificate(each.public_bytes(Encoding.DER)) for each in _path(leaf, signers))


def _path(leaf: x509.Certificate, signers: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    path = [leaf]
    while not signed_by(path[-1], path[-1]):
        above = next((each for each in signers if each not in path and signed_by(path[-1], each)), None)
        if above is None:
            break
        path.append(above)
    return path
