"""``mssgw trust peer``: what an operator's server shows, and each check of it, passed or failed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mssgw.app.cli import paper
from mssgw.app.cli.exits import Code, no
from mssgw.app.cli.opening import at_the_trust, json_option
from mssgw.core.addresses import domain_key
from mssgw.core.trust import Certificate

if TYPE_CHECKING:
    from mssgw.app.trust_desk import TrustDesk
    from mssgw.edges.smtp_look import Look
    from mssgw.flow.examine import Examined


def _host_and_port(_: click.Context, __: click.Parameter, text: str) -> tuple[str, int]:
    """``mx.chu.fr``, ``mx.chu.fr:25``, ``[::1]:25``."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or (":" in host and not host.startswith("[")) or text.endswith("]"):
        host, port = text.strip(), "25"
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise click.BadParameter("expected HOST or HOST:PORT")
    return host, int(port)


@click.command(short_help="Show the certificates of a server and every check.")
@click.argument("where", metavar="HOST[:PORT]", callback=_host_and_port)
@click.option("--domain", metavar="DOMAIN", help="The domain whose letters it is to take.")
@json_option
@at_the_trust()
async def peer(desk: "TrustDesk", where: tuple[str, int], domain: str | None, as_json: bool) -> None:
    """Connect to an operator's server as letters do; show its certificates and every check.

    Says EHLO, STARTTLS and QUIT, never anything of a letter. When the handshake fails, it looks again without trusting
    anybody, so that the chain can be seen all the same. Revocation and white list are those that are kept. Exit code 1:
    a check failed.

    \b
    Examples:
      mssgw trust peer mx.chu-exemple.fr --domain chu-exemple.mssante.fr
      mssgw trust peer 192.0.2.7:25 --json | jq -c '.checks[]'
    """
    from mssgw.edges.smtp_look import NothingToSee

    (host, port), key = where, domain_key(domain.strip()) if domain else None
    try:
        seen = await desk.look(host, port)
    except NothingToSee as error:
        raise no(f"trust peer: {host}:{port}: {error}") from None
    checks = desk.examine(seen, host, key)
    failed = next((each for each in checks if each.result == "failed"), None)
    refused_us = seen.proven and not failed and not seen.answered
    if as_json:
        paper.json_line(_json(host, port, seen, checks, trusted=failed is None and not refused_us))
    else:
        _print(host, port, seen, checks)
        if failed:
            verdict = f"not trusted: {failed.check}: {failed.why}"
        elif refused_us:
            verdict = f"trusted, but it ends the dialogue: does it trust our certificate? {seen.answer}"
        elif key is None:
            verdict = "trusted as an operator; for no domain in particular: give --domain"
        else:
            verdict = f"trusted for {key}"
        click.echo("")
        paper.sentence(f"Verdict: {verdict}")
    if failed or refused_us:
        raise click.exceptions.Exit(Code.NO)


def _print(host: str, port: int, seen: "Look", checks: Sequence["Examined"]) -> None:
    how = "verified, our anchor last" if seen.proven else "as it was shown: nothing of it is verified"
    paper.facts(
        [("peer", f"{host}:{port}"), ("tls", f"{seen.tls} {seen.cipher}"), ("answer", seen.answer), ("chain", how)]
    )
    for number, (each, issuer) in enumerate(zip(seen.chain, seen.issuers, strict=True)):
        click.echo(f"\nCertificate {number}")
        paper.facts(
            [
                ("subject", each.subject.text if each.subject else f"unusable: {each.flaw}"),
                ("issuer", issuer),
                ("serial", f"{each.serial:x}"),
                ("from", paper.when(each.not_before)),
                ("until", paper.when(each.not_after)),
                ("purposes", ", ".join(sorted(each.purposes)) or "not limited"),
                ("hosts", ", ".join(each.hosts) or "-"),
                ("sha256", each.fingerprint),
            ]
        )
    click.echo("\nChecks")
    paper.table(("check", "result", "why"), [(each.check, each.result, each.why or "-") for each in checks])


def _json(host: str, port: int, seen: "Look", checks: Sequence["Examined"], *, trusted: bool) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "trusted": trusted,
        "tls": seen.tls,
        "cipher": seen.cipher,
        "answer": seen.answer,
        "verified": seen.proven,
        "chain": [_certificate(each, issuer) for each, issuer in zip(seen.chain, seen.issuers, strict=True)],
        "checks": [{"check": each.check, "result": each.result, "why": each.why} for each in checks],
    }


def _certificate(each: Certificate, issuer: str) -> dict[str, Any]:
    return {
        "subject": each.subject.text if each.subject else None,
        "flaw": each.flaw,
        "issuer": issuer,
        "serial": f"{each.serial:x}",
        "not_before": each.not_before,
        "not_after": each.not_after,
        "purposes": each.purposes,
        "hosts": each.hosts,
        "fingerprint": each.fingerprint,
    }
