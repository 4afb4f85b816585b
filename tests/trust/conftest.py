import ctypes
import ssl
from collections.abc import Iterator

import pytest

from mssgw.edges.tls_mutual import accept_any_purpose


@pytest.fixture(autouse=True)
def _purposes_as_at_the_start() -> Iterator[None]:
    """That certificates of any purpose are taken is said to OpenSSL once, for the process: no other test shall see it.

    As documented in X509_VERIFY_PARAM_add0_table(3); no handshake runs any more.
    """
    yield
    if accept_any_purpose.cache_info().currsize:
        ctypes.CDLL(ssl._ssl.__file__).X509_VERIFY_PARAM_table_cleanup()
        accept_any_purpose.cache_clear()
