"""The tables. What names a person is a keyed hash (16 bytes) or sealed, but for what is published of professionals;
times are microseconds since 1970.

The migrations build exactly this; a test compares them.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

metadata = MetaData()
_COUNTED = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only an INTEGER key

# One row: the secret behind keyed hashes and sealed values, under the master key that ``key_id`` names.
store_secret = Table(
    "store_secret",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
)

# One row a letter until it is erased. ``sealed``: facts (with envelope) and verdict; ``inline``: a small body.
messages = Table(
    "messages",
    metadata,
    Column("spool_id", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("wire_size", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("inline", LargeBinary),  # last: a claim reads the columns before it without following its pages
)

# A table of its own: small rows that can really be overwritten, unlike copies of a row with a body in it.
data_keys = Table(
    "data_keys",
    metadata,
    Column("spool_id", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# Large bodies, sealed segment by segment, where the database is shared by several nodes; with SQLite they are files.
# ``written_at`` is the database's own clock.
body_segments = Table(
    "body_segments",
    metadata,
    Column("spool_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("written_at", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("spool_id", "number"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("spool_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("domain", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("warned", SmallInteger, nullable=False),
    Column("lease_token", Text),
    Column("lease_until", BigInteger),
    Column("last_reply", LargeBinary),  # sealed: a peer may repeat the address in it
    Column("held_because", Text, nullable=False),
    PrimaryKeyConstraint("spool_id", "number"),
    sqlite_with_rowid=False,
)
# One index for all that a queue asks: rows that nobody holds come first (lease_until NULL), by due time; then the
# leased ones, by the time at which they lapse.
Index(
    "deliveries_due",
    deliveries.c.lease_until,
    deliveries.c.due_at,
    sqlite_where=text("state = 'queued'"),
    postgresql_where=text("state = 'queued'"),
)
# What nobody holds, once more: what waits for one next hop, beside the backlog of another. Letters that are relayed
# from memory are leased as long as they are queued, and cost nothing here. Not `lease_until IS NULL`: SQLite, which
# keeps no figures of its rows, would answer that by the index above, and read all that waits.
OF_DOMAIN = "state = 'queued' AND coalesce(lease_until, 0) = 0"
Index(
    "deliveries_of_domain",
    deliveries.c.domain,
    deliveries.c.due_at,
    sqlite_where=text(OF_DOMAIN),
    postgresql_where=text(OF_DOMAIN),
)
# The others: held ones wait for a person, final ones for the sweep that erases them half a minute later.
Index(
    "deliveries_not_queued",
    deliveries.c.state,
    deliveries.c.due_at,
    sqlite_where=text("state <> 'queued'"),
    postgresql_where=text("state <> 'queued'"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("pair", LargeBinary, primary_key=True),
    Column("patient", LargeBinary, nullable=False),
    Column("bal", LargeBinary, nullable=False),
    Column("sealed_patient", LargeBinary, nullable=False),
    Column("sealed_bal", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("conversations_patient", conversations.c.patient)
Index("conversations_bal", conversations.c.bal, conversations.c.state, conversations.c.since)
Index("conversations_state", conversations.c.state, conversations.c.since)

# Oppositions (SD-12). ``bal`` is empty when the patient is opposed to all mailboxes.
blocks = Table(
    "blocks",
    metadata,
    Column("patient", LargeBinary, nullable=False),
    Column("bal", LargeBinary, nullable=False),
    Column("sealed_patient", LargeBinary, nullable=False),
    Column("sealed_bal", LargeBinary),
    Column("since", BigInteger, nullable=False),
    PrimaryKeyConstraint("patient", "bal"),
    sqlite_with_rowid=False,
)
Index("blocks_since", blocks.c.since)

# Letters by which replies, receipts and notices are linked. ``receipt_to``: hashes one after the other.
letters = Table(
    "letters",
    metadata,
    Column("id", _COUNTED, primary_key=True),
    Column("pair", LargeBinary, nullable=False),
    Column("patient", LargeBinary, nullable=False),
    Column("message_id", LargeBinary),
    Column("subject", LargeBinary),
    Column("receipt_to", LargeBinary, nullable=False),
    Column("spool_id", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("closed", SmallInteger, nullable=False),
    Column("receipt_at", BigInteger),
)
Index("letters_message_id", letters.c.message_id)
Index("letters_patient", letters.c.patient)
UNREAD = "receipt_at IS NULL AND length(receipt_to) > 0"  # asked for a receipt, and has none
Index("letters_unread", letters.c.seen_at, sqlite_where=text(UNREAD), postgresql_where=text(UNREAD))

# Whose readers are to be told that letters wait: ``waiting`` so many since they were last. One row a mailbox, for good:
# ``due_at`` also says until when they are left in peace.
notifications = Table(
    "notifications",
    metadata,
    Column("mailbox", LargeBinary, primary_key=True),
    Column("sealed_mailbox", LargeBinary, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "notifications_due",
    notifications.c.due_at,
    sqlite_where=text("waiting > 0"),
    postgresql_where=text("waiting > 0"),
)

# Letters that patients of ours have not opened, and whose senders asked to be told; gone when they are.
unopened = Table(
    "unopened",
    metadata,
    Column("spool_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("patient", LargeBinary, nullable=False),  # as in ``patients``
    Column("delivered_at", BigInteger, nullable=False),
    Column("uid_validity", BigInteger),  # under these we put it into the inbox; NULL: the store did not tell
    Column("uid", BigInteger),
    PrimaryKeyConstraint("spool_id", "number"),
    sqlite_with_rowid=False,
)
Index("unopened_patient", unopened.c.patient)
Index("unopened_delivered_at", unopened.c.delivered_at)

accounts = Table(
    "accounts",
    metadata,
    Column("patient", LargeBinary, primary_key=True),
    Column("state", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Messages of mailboxes that were collected; ``seen_at``: when one was last seen in its folder.
collected = Table(
    "collected",
    metadata,
    Column("place", LargeBinary, nullable=False),
    Column("uid_validity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("message_id", LargeBinary),
    Column("content", LargeBinary, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("place", "uid_validity", "uid", "content"),
    sqlite_with_rowid=False,
)
Index("collected_content", collected.c.content)
Index("collected_seen_at", collected.c.seen_at)

# What one process does for all nodes, by name; ``until`` is the time of the clock that all nodes follow.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("token", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

strikes = Table(
    "strikes",
    metadata,
    Column("message_id", LargeBinary, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("strikes_at", strikes.c.at)

# Append-only. Codes in clear; addresses, person, Message-ID and a peer's words in ``sealed``.
journal = Table(
    "journal",
    metadata,
    Column("id", _COUNTED, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("spool_id", Text, nullable=False),
    Column("message_id", LargeBinary),
    Column("sender", LargeBinary),
    Column("recipient", LargeBinary),
    Column("client", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("reply_code", SmallInteger),
    Column("reply_status", Text, nullable=False),
    Column("next_hop", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("sealed", LargeBinary),
)
for _column in (journal.c.message_id, journal.c.sender, journal.c.recipient):
    Index(
        f"journal_{_column.name}",
        _column,
        sqlite_where=text(f"{_column.name} IS NOT NULL"),
        postgresql_where=text(f"{_column.name} IS NOT NULL"),
    )
Index("journal_at", journal.c.at)
Index("journal_spool_id", journal.c.spool_id)

# The directory of mailboxes: published, so in clear. An import is staged under a generation of its own, sorted, and
# takes the place of the edition in force when its ``standing`` changes: all of it at once, by one small commit.
directory_editions = Table(
    "directory_editions",
    metadata,
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("standing", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("imported_at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("mailboxes", Integer, nullable=False),
    Column("pharmacies", Integer, nullable=False),
    Column("structures", Integer, nullable=False),
    sqlite_with_rowid=False,
)

Index("directory_editions_standing", directory_editions.c.standing)

directory_mailboxes = Table(
    "directory_mailboxes",
    metadata,
    Column("generation", BigInteger, nullable=False),
    Column("mailbox", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("structure", Text, nullable=False),
    Column("pharmacy", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("place", Text, nullable=False),
    PrimaryKeyConstraint("generation", "mailbox"),
    sqlite_with_rowid=False,
)

# Structures that are pharmacies: an import that brings no list of them goes on with the one before.
directory_pharmacies = Table(
    "directory_pharmacies",
    metadata,
    Column("generation", BigInteger, nullable=False),
    Column("structure", Text, nullable=False),
    PrimaryKeyConstraint("generation", "structure"),
    sqlite_with_rowid=False,
)

# What operators set by hand; who and when is in the journal.
directory_overrides = Table(
    "directory_overrides",
    metadata,
    Column("mailbox", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("pharmacy", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The patients whose mailboxes we keep. ``patient``: keyed hash of the matricule.
patients = Table(
    "patients",
    metadata,
    Column("patient", LargeBinary, primary_key=True),
    Column("sealed_matricule", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("sealed_email", LargeBinary),
    Column("sealed_password", LargeBinary),
    sqlite_with_rowid=False,
)
Index("patients_since", patients.c.since)
Index("patients_state", patients.c.state, patients.c.since)

# Letters whose deletion from a mailbox was announced to its readers. ``place``: keyed hash of mailbox and folder;
# ``uids``: of those letters, as IMAP writes a set.
purges = Table(
    "purges",
    metadata,
    Column("place", LargeBinary, primary_key=True),
    Column("uid_validity", BigInteger, nullable=False),
    Column("uids", Text, nullable=False),
    Column("before", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
