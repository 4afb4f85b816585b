"""The XML signature of the white list, by one certificate that the administrator pinned (WL-6)."""

import re
from datetime import datetime
from typing import Any

from cryptography import x509
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from mssgw.core.errors import GatewayError
from mssgw.formats import safexml
from mssgw.formats.safexml import Element
from mssgw.formats.white_list import LIMIT

_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
#: Public keys only, and no hash that collides.
_METHODS = frozenset(each for each in SignatureMethod if not re.search(r"SHA1(?![0-9])|HMAC|^DSA", each.name))
_DIGESTS = frozenset(each for each in DigestAlgorithm if each is not DigestAlgorithm.SHA1)


class BadSignature(GatewayError):
    """The file is not, as a whole, what the pinned certificate signed. The text says why."""


class PinnedSigner:
    """The Seal port. Verifies files that carry an enveloped signature of the whole document, right below its root."""

    def __init__(self, certificate: bytes) -> None:
        """``certificate``: PEM. Raises BadSignature when it is none."""
        try:
            self._certificate = x509.load_pem_x509_certificate(certificate)
        except ValueError:
            raise BadSignature("the signer's certificate is no PEM certificate") from None

    def signed_part(self, file: bytes, *, at: datetime) -> bytes:
        """In canonical form, in which neither comments nor the signature itself are left. Raises BadSignature."""
        root_tag = self._shape(file)
        result = self._verified(file, at)
        if result.signed_xml is None or result.signed_xml.tag != root_tag:
            raise BadSignature("a part was signed, not the whole")
        return result.signed_data

    def _shape(self, file: bytes) -> str:
        """The name of the root, which holds one signature and nothing that could be taken for another list.

        Wrapping hides the signed list below another one, or beside its double. Then there are two of something that
        a list has once.
        """
        try:
            root = safexml.parse(file, limit=LIMIT)
        except safexml.UnreadableXml as error:
            raise BadSignature(str(error)) from None
        space = root.tag.rpartition("}")[0] + "}" if root.tag.startswith("{") else ""
        signatures = list(root.iter(_SIGNATURE))
        if len(signatures) != 1 or signatures[0].getparent() is not root:
            raise BadSignature(f"{len(signatures) or 'no'} signatures, where one below the root is expected")
        for tag in (root.tag, f"{space}ListeDomaines", f"{space}DateDeGeneration"):
            if sum(1 for _ in root.iter(tag)) != 1:
                raise BadSignature("an element that a list has once is there twice, or not at all")
        for node in root.iter():  # a comment or processing instruction within a value
            if not isinstance(node.tag, str) and _stands_in_text(node):
                raise BadSignature("a comment splits a value")
        return str(root.tag)

    def _verified(self, file: bytes, at: datetime) -> VerifyResult:
        config = SignatureConfiguration(
            location="./",
            expect_references=1,
            signature_methods=_METHODS,
            digest_algorithms=_DIGESTS,
            verification_time=at,
        )
        try:
            result = _Verifier().verify(
                file, x509_cert=self._certificate, parser=safexml.parser(), expect_config=config
            )
        except Exception as error:  # whatever a hostile signature makes of the library: it does not verify
            text = "".join(each for each in str(error) if each.isprintable())[:200]
            raise BadSignature(": ".join(each for each in (type(error).__name__, text.strip(" :")) if each)) from None
        if isinstance(result, list):  # never with one reference expected
            raise BadSignature("several references")
        return result


class _Verifier(XMLVerifier):
    """With two trees at a time instead of three, each of five times the file: what it copies it needs no more.

    If a second reference were looked for, it would not be found: that refuses, and admits nothing.
    """

    def _tostring(self, xml_node: Element, **kwargs: Any) -> bytes:
        octets: bytes = super()._tostring(xml_node, **kwargs)  # type: ignore[no-untyped-call]
        if xml_node.getparent() is None:
            xml_node.clear()
        return octets


def _stands_in_text(node: Element) -> bool:
    before, parent = node.getprevious(), node.getparent()
    left = before.tail if before is not None else parent.text
    return bool((left or "").strip() or (node.tail or "").strip())
