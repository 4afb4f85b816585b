"""Who speaks with us, and where: listeners, establishments, operators, logins."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from mssgw.app.config.places import File
from mssgw.app.config.table import LIST, Table
from mssgw.app.config.values import (
    Cidr,
    Domain,
    FieldName,
    Flag,
    ListenAddress,
    LoginName,
    MailAddress,
    Name,
    NextHop,
    NextHopOrMx,
    PasswordHash,
    Product,
)
from mssgw.core.envelope import Role
from mssgw.core.routes import TlsPolicy

NextHopTls = Literal[TlsPolicy.NONE, TlsPolicy.REQUIRE, TlsPolicy.IMPLICIT]  # MUTUAL goes with [trust], not by choice


class Tls(StrEnum):
    """How a listener offers TLS."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class Listener(Table):
    """[[listener]]: a port that we serve. ``socket``: the FileDescriptorName that systemd passes it under."""

    name: Name
    role: Literal[Role.ESTABLISHMENT, Role.TRUST_SPACE, Role.PATIENT_SPACE]
    address: ListenAddress
    socket: Name | None = None
    tls: Tls = Tls.STARTTLS
    require_tls: Flag = True
    certificate: File | None = None
    key: File | None = None
    auth: Flag = False


class _Client(Table):
    """What establishments and operators share: where they come from and where their mail goes."""

    name: Name
    domains: Annotated[tuple[Domain, ...], LIST, Field(min_length=1)]
    networks: Annotated[tuple[Cidr, ...], LIST] = ()
    next_hop_tls: NextHopTls = TlsPolicy.REQUIRE
    next_hop_login: LoginName | None = None
    next_hop_password_file: File | None = None


class Establishment(_Client):
    """[[establishment]]: one of ours. ``domains`` are what it may send as, and lead inward to ``next_hop``."""

    addresses: Annotated[tuple[MailAddress, ...], LIST] = ()
    next_hop: NextHop | None = None
    notice_domains: Annotated[tuple[Domain, ...], LIST] = ()
    product: Product | None = None
    xclient: Flag = False
    person_received: Flag = False
    person_header: FieldName | None = None


class TrustedDomain(_Client):
    """[[trusted_domain]]: an operator of the trust space. ``next_hop`` None: "mx", each domain's mail exchangers."""

    next_hop: NextHopOrMx


class Login(Table):
    """[[login]]: a person or program that submits with a password. No ``addresses``: all that its establishment has."""

    user: LoginName
    password_hash: PasswordHash = Field(repr=False)
    establishment: Name
    addresses: Annotated[tuple[MailAddress, ...], LIST] = ()
