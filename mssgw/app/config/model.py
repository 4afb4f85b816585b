"""The configuration as frozen values. config/mssgw.toml documents every key; a test keeps the two alike."""

import os
import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from socket import gethostname
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from mssgw.app.config.clients import Establishment, Listener, Login, NextHopTls, TrustedDomain
from mssgw.app.config.collector import Collector
from mssgw.app.config.mail_stores import MailStore
from mssgw.app.config.mailboxes import Mailbox
from mssgw.app.config.places import Directory, File, SecretFile, Source
from mssgw.app.config.table import LIST, Table
from mssgw.app.config.values import (
    Count,
    Day,
    Domain,
    Duration,
    Flag,
    HostName,
    ListenAddressOrNone,
    LoginName,
    MailAddress,
    Name,
    NextHop,
    PatientsLogin,
    Processes,
    Product,
    Size,
    Text,
    address,
)
from mssgw.core.clinical import Profile
from mssgw.core.document_policy import Rejected
from mssgw.core.routes import TlsPolicy


class Conversations(StrEnum):
    """Whether the rules of who may write to whom refuse, or only observe for now (SD-9)."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class Gateway(Table):
    """[gateway]: who we are and where our state lies."""

    hostname: HostName
    environment: Literal["production", "test"] = "production"
    workers: Processes = 0
    node: Name | None = None
    state_dir: Directory = Path("/var/lib/mssgw")
    patient_domain: Domain = "patient.mssante.fr"
    patient_exceptions: Annotated[tuple[MailAddress, ...], LIST] = (
        address("reponse.automatique-test@patient.mssante.fr"),  # req: INS-10
    )


class StoreSettings(Table):
    """[store]: the database, the master key, memory for bodies on their way."""

    url: Text = "sqlite:///{state_dir}/mssgw.db"
    password_file: File | None = None
    master_key_file: File | None = None
    hot_bodies: Size = 48 * 2**20


class NotificationSettings(Table):
    """[notifications]: how those are told whom [[mailbox]] notify names. ``next_hop`` is for addresses only."""

    next_hop: NextHop | None = None
    next_hop_tls: NextHopTls = TlsPolicy.REQUIRE
    next_hop_login: LoginName | None = None
    next_hop_password_file: File | None = None
    sender: MailAddress | None = None
    every: Duration = timedelta(minutes=5)
    ca_file: File | None = None


class Reports(Table):
    """[reports]: letters that asked to be acknowledged, and that nobody has read (MDN-2)."""

    unread_after: Duration = timedelta(days=7)
    unread_alarm: Flag = False


class PolicySettings(Table):
    """[policy]: SD-9 and SD-4."""

    conversations: Conversations = Conversations.ENFORCE
    enforce_from: Day | None = None
    patient_receipts_after_data: Flag = False


class DocumentSettings(Table):
    """[documents]: how strictly CDA R2 and IHE XDM are judged, and by how many processes.

    ``validators`` 0: one for each core. ``deadline``: for the documents of one letter (SD-10).
    """

    outbound: Profile = Profile.STANDARD
    inbound: Profile = Profile.STANDARD
    inbound_rejected: Rejected = Rejected.REFUSE
    validators: Processes = 0
    deadline: Duration = timedelta(seconds=2)


class DocumentException(Table):
    """[[document_policy]]: another policy for some of our domains; what is not given is that of [documents]."""

    domains: Annotated[tuple[Domain, ...], LIST, Field(min_length=1)]
    outbound: Profile | None = None
    inbound: Profile | None = None
    inbound_rejected: Rejected | None = None


class MssSettings(Table):
    """[mss]: what we say in header fields X-MSS-…; ``product``: the reference of this gateway, for its own messages."""

    add_headers: Flag = False
    product: Product | None = None


class Limits(Table):
    """[limits]: what one letter or peer may ask of us."""

    message_size: Size = 10_485_760  # req: SD-1
    recipients: Count = 100
    connections: Count = 1000
    connections_per_ip: Count = 50
    handshake: Duration = timedelta(seconds=10)
    login: Duration = timedelta(seconds=60)
    idle: Duration = timedelta(seconds=60)
    data_total: Duration = timedelta(minutes=30)
    received_hops: Count = 30
    inspection: Duration = timedelta(seconds=2)  # req: SD-10
    body_memory: Size = 128 * 2**20
    disk_reserve: Size = 500 * 2**20


class DeliverySettings(Table):
    """[delivery]: when to try again, warn and give up."""

    first_retry: Duration = timedelta(minutes=1)
    longest_retry: Duration = timedelta(hours=1)
    distrust_after: Duration = timedelta(hours=4)  # req: WL-8
    warn_after: Duration = timedelta(hours=4)
    give_up_after: Duration = timedelta(hours=48)
    take_over_after: Duration = timedelta(seconds=60)
    connections_per_hop: Count = 20
    ca_file: File | None = None


class TrustSettings(Table):
    """[trust]: the trust space of MSSanté (§8). Given, it decides who is an operator; without it, networks do.

    ``white_list`` and ``crls``: paths or URLs. ``anchors``: PEM of the certificate authorities that are trusted, and no
    others. ``certificate`` and ``key``: who we are, to peers on both sides. ``purposes``: what a peer's certificate may
    be made for when it is the client; any of them will do. ``crl_grace`` None: none at all.
    """

    white_list: Source
    white_list_signer: File | None = None
    white_list_unsigned: Flag = False
    white_list_ca: File | None = None
    white_list_poll: Duration = timedelta(hours=1)
    anchors: File
    certificate: File
    key: File | None = None
    crls: Annotated[tuple[Source, ...], LIST, Field(min_length=1)]
    crl_poll: Duration = timedelta(seconds=30)
    crl_grace: Duration | None = None
    purposes: Annotated[tuple[Literal["clientAuth", "serverAuth"], ...], LIST, Field(min_length=1)] = ("clientAuth",)


class PatientSpaceSettings(Table):
    """[patient_space]: given, the patient domain is ours: we keep its mailboxes and the registry of its patients.

    ``mail_store``: where these are, each opened as ``user``; ``receipt_sessions``: how many of them are watched without
    a pause (MDN-2); ``fin_shown``: where a patient sees that a letter ends the exchange. Or ``next_hop``: an SMTP
    server that knows of them. ``bad_key``: whether it is refused at RCPT, or answered (NDR-4, NDR-8).
    """

    mail_store: Name | None = None
    user: PatientsLogin = "{address}"
    receipt_sessions: Count = 50
    fin_shown: Literal["subject", "keyword"] = "subject"
    next_hop: NextHop | None = None
    next_hop_tls: NextHopTls = TlsPolicy.REQUIRE
    bad_key: Literal["refuse", "notice"] = "refuse"


class DirectorySettings(Table):
    """[directory]: given, the imported directory says which mailboxes patients may write to first (WHO-3)."""

    max_age: Duration = timedelta(days=7)


class Retention(Table):
    """[retention]: how long the trace stays (TRC-2); how long before the readers of a mailbox are told what goes."""

    trace: Duration = timedelta(days=365)
    purge_notice: Duration = timedelta(days=14)


class Log(Table):
    """[log]: standard output, for journald or a terminal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class MetricsSettings(Table):
    """[metrics]: where monitoring looks at us. ``address`` None: nowhere."""

    address: ListenAddressOrNone = None
    allow_remote: Flag = False


class Config(Table):
    """The whole file. Plural attributes are its arrays of tables."""

    gateway: Gateway
    store: StoreSettings = StoreSettings()
    listeners: Annotated[tuple[Listener, ...], LIST, Field(alias="listener", min_length=1)]
    establishments: Annotated[tuple[Establishment, ...], LIST, Field(alias="establishment")] = ()
    trusted_domains: Annotated[tuple[TrustedDomain, ...], LIST, Field(alias="trusted_domain")] = ()
    logins: Annotated[tuple[Login, ...], LIST, Field(alias="login")] = ()
    mail_stores: Annotated[tuple[MailStore, ...], LIST, Field(alias="mail_store")] = ()
    mailboxes: Annotated[tuple[Mailbox, ...], LIST, Field(alias="mailbox")] = ()
    collectors: Annotated[tuple[Collector, ...], LIST, Field(alias="collector")] = ()
    policy: PolicySettings = PolicySettings()
    documents: DocumentSettings = DocumentSettings()
    document_policies: Annotated[tuple[DocumentException, ...], LIST, Field(alias="document_policy")] = ()
    mss: MssSettings = MssSettings()
    limits: Limits = Limits()
    delivery: DeliverySettings = DeliverySettings()
    trust: TrustSettings | None = None
    patient_space: PatientSpaceSettings | None = None
    directory: DirectorySettings | None = None
    notifications: NotificationSettings = NotificationSettings()
    reports: Reports = Reports()
    retention: Retention = Retention()
    log: Log = Log()
    metrics: MetricsSettings = MetricsSettings()

    _file: str = PrivateAttr("")
    _lines: dict[tuple[str | int, ...], int] = PrivateAttr(default_factory=dict)

    @property
    def node(self) -> str:
        """The name of this process among those that share a store: as configured, else what the machine is called."""
        return self.gateway.node or re.sub(r"[^A-Za-z0-9._-]", "-", gethostname()).lstrip("._-")[:63] or "node"

    @property
    def database_url(self) -> str:
        """[store] url with the state directory in place."""
        return self.store.url.replace("{state_dir}", str(self.gateway.state_dir))

    @property
    def spool_dir(self) -> Path:
        """Where large bodies rest."""
        return self.gateway.state_dir / "spool"

    @property
    def master_key(self) -> SecretFile:
        """Where the master key lies: as configured, else the credential ``master-key``, else the state directory."""
        if self.store.master_key_file is not None:
            return self.store.master_key_file
        credential = _credential("master-key")
        if credential is not None and credential.exists():
            return SecretFile("credential:master-key", credential)
        path = self.gateway.state_dir / "master.key"
        return SecretFile(str(path), path)


def _credential(name: str) -> Path | None:
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(given) / name if given else None
