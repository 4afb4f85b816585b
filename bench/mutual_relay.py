"""The gateway with operators on both sides, for bench/trust.py: ``python -m bench.mutual_relay serve --config FILE``.

In service one side of each letter is an establishment's. So that both sides of one letter can be measured, here the
way inward is mutual too: our certificate is shown, and the next hop's chain, host, revocation and DN are checked.
"""

from dataclasses import replace

from mssgw.app import wiring
from mssgw.app.cli import main
from mssgw.app.config import Config
from mssgw.core.routes import RouteTable, TlsPolicy

_routes = wiring.routes


def routes(config: Config, listed: wiring.Listed | None = None) -> RouteTable:
    """As configured, and all of them mutual."""
    table = _routes(config, listed)
    mutual = {name: replace(each, tls=TlsPolicy.MUTUAL, domain=name) for name, each in table.by_domain.items()}
    return RouteTable(mutual, table.listed)


if __name__ == "__main__":
    wiring.routes = routes
    main()
