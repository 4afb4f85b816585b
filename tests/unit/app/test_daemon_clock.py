"""What is dated by others is held against the machine's time, whatever the clock of leases says (TLS-5, WL-7)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from mssgw.app import config as configuration
from mssgw.app.daemon import Daemon
from mssgw.app.eyes.eyes import Eyes
from mssgw.app.seat import Seat
from mssgw.app.stores import AtRest
from mssgw.edges.clock import FixedClock
from tests import pki, white_lists
from tests.unit.app.test_vigil import CONFIG


@pytest.mark.parametrize("hours", [-100, 100])
async def test_a_clock_that_follows_slowly_dates_no_list(tmp_path: Path, hours: int) -> None:
    """A machine that stood still for a night is put right at once; its leases follow within weeks.

    Until then a list of today would come from the future and be refused, or one that holds would have ended.
    """
    space, now = pki.TrustSpace(), datetime.now(UTC)
    space.operator("mx.ch.fr").write_apart(tmp_path, "ours")
    space.write_anchors(tmp_path)
    for name, issuer in (("root", space.root), ("intermediate", space.intermediate)):
        content = issuer.crl(next_update=now + timedelta(days=2))
        (tmp_path / f"{name}.crl").write_bytes(content)
    listed = [("patient.mssante.fr", white_lists.dn("mx.cnam.fr"))]
    (tmp_path / "list.xml").write_bytes(white_lists.white_list(listed, generated=now.isoformat()))
    path = tmp_path / "mssgw.toml"
    path.write_text(CONFIG)
    config = configuration.load(path)
    rest = cast("AtRest", SimpleNamespace(clock=FixedClock(now + timedelta(hours=hours))))
    daemon = Daemon(path, config, rest, Eyes(config, Seat()), Seat())
    assert daemon._space is not None
    await daemon._space.start()
    await daemon._space.white_list.look(eager=True)
    await daemon._space.crls.ask_now()
    checks = {each.name: each for each in daemon._space.checks()}
    daemon._passwords.close()
    assert checks["white_list"].ok
    assert checks["revocation"].facts == {"usable": 2, "known": 2}
