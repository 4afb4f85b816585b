"""Every check of a peer one by one, for ``trust peer``: the first that fails is the one that letters meet (§8)."""

from dataclasses import dataclass
from enum import StrEnum

from mssgw.core.trust import Chain, Check, Distrust, WhiteList
from mssgw.ports import Revocation


class Result(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One check. ``why``: it failed, or was not made; or what it went by."""

    check: Check
    result: Result
    why: str = ""


def examine(
    chain: Chain,
    *,
    chain_flaw: str,
    host_flaw: str,
    host: str,
    revocation: Revocation,
    white_list: WhiteList | None,
    domain: str | None,
) -> tuple[Examined, ...]:
    """What each check says of a server, in the order of Check; those after one that failed too.

    ``chain_flaw``, ``host_flaw``: what the handshake, or core.trust.unfit, has against it, "" for nothing.
    ``white_list``: WhiteListKeeper.usable. ``domain``: a key; None: it is asked for none.
    """
    if not chain:
        nothing = [_skipped(check, "no certificate") for check in Check if check is not Check.CERTIFICATE]
        return _failed(Check.CERTIFICATE, "none was presented"), *nothing
    return (
        _passed(Check.CERTIFICATE),
        _failed(Check.CHAIN, chain_flaw) if chain_flaw else _passed(Check.CHAIN),
        _failed(Check.SUBJECT, chain[0].flaw) if chain[0].subject is None else _passed(Check.SUBJECT),
        _failed(Check.HOST, host_flaw) if host_flaw else _passed(Check.HOST, host),
        _revocation(chain, chain_flaw, revocation),
        _passed(Check.WHITE_LIST) if white_list is not None else _failed(Check.WHITE_LIST, "none, or one too old"),
        _operator(chain, white_list),
        _domain(chain, white_list, domain),
    )


def _revocation(chain: Chain, chain_flaw: str, revocation: Revocation) -> Examined:
    if chain_flaw:
        return _skipped(Check.REVOCATION, "who issued it is not proven")
    match revocation.check(chain):
        case Distrust(detail=detail, reply=reply):
            return _failed(Check.REVOCATION, detail or reply.text)
        case None:
            return _passed(Check.REVOCATION)


def _operator(chain: Chain, white_list: WhiteList | None) -> Examined:
    subject = chain[0].subject
    if subject is None or white_list is None:
        return _skipped(Check.OPERATOR, "no white list" if subject is not None else "no DN")
    if domains := white_list.domains.get(subject):
        return _passed(Check.OPERATOR, f"listed for {len(domains)} {'domain' if len(domains) == 1 else 'domains'}")
    return _failed(Check.OPERATOR, "this DN is in the list for no domain")


def _domain(chain: Chain, white_list: WhiteList | None, domain: str | None) -> Examined:
    subject = chain[0].subject
    if domain is None:
        return _skipped(Check.DOMAIN, "name one with --domain")
    if subject is None or white_list is None:
        return _skipped(Check.DOMAIN, "no white list" if subject is not None else "no DN")
    may = white_list.operators.get(domain)
    if may is None:
        return _failed(Check.DOMAIN, f"{domain} is not in the list")
    if subject in may:
        return _passed(Check.DOMAIN, domain)
    return _failed(Check.DOMAIN, f"{domain} is listed for {'; '.join(sorted(name.text for name in may))}")


def _passed(check: Check, why: str = "") -> Examined:
    return Examined(check=check, result=Result.PASSED, why=why)


def _failed(check: Check, why: str) -> Examined:
    return Examined(check=check, result=Result.FAILED, why=why)


def _skipped(check: Check, why: str) -> Examined:
    return Examined(check=check, result=Result.SKIPPED, why=why)
