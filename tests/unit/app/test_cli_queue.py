"""`mssgw queue`: what waits, and what an operator does about it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mssgw.core.addresses import Address
from mssgw.core.bal import Party
from mssgw.core.conversation import Event, Move, State
from mssgw.core.delivery import State as DeliveryState
from mssgw.core.envelope import ForwardPath
from mssgw.core.errors import Undecryptable
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.replies import Reply
from mssgw.core.routes import PATIENTS_HEAR
from mssgw.core.rules.documents import UNVERIFIED
from mssgw.core.verdict import Admit, Finding, Hold, Refuse, Severity
from mssgw.edges.clock import FixedClock
from mssgw.flow.release import Effects
from tests.unit.app.office_double import ALIAS, DOCTOR, EARLIER, ID, OTHER_ID, PATIENT, a_pair, an_entry

TIMED_OUT = Finding(rule="inspection-in-time", requirement="SD-10", severity=Severity.HOLD, detail="timeout")
WROTE = Move(a_pair(), Event.PROFESSIONAL_WROTE)
HELD = Hold(findings=(TIMED_OUT,), withheld=(WROTE,))


def test_list_is_one_line_a_delivery_without_people(office, run):
    """Id, state, age, attempts, next try, size, domain and last reply; nobody's address unless it is asked for."""
    office.put(last_reply=None)
    office.put(OTHER_ID)
    listed = run("queue", "list")
    assert listed.exit_code == 0
    heading, *lines = listed.stdout.splitlines()
    assert heading.split() == ["id", "no", "state", "age", "attempts", "next", "try", "size", "domain", "last", "reply"]
    assert [line.split()[0] for line in lines] == [ID, OTHER_ID]
    assert lines[1].split()[-2:] == ["450", "4.2.0"]
    assert DOCTOR not in listed.output
    assert PATIENT not in listed.output
    assert "2 deliveries" in listed.stderr


def test_list_prints_people_only_when_asked(office, run, run_json):
    """--addresses prints them, in the table and in JSON; without it JSON masks the patient."""
    office.put()
    assert PATIENT in run("queue", "list", "--addresses").stdout
    assert run_json("queue", "list", "--addresses")[0]["recipient"] == PATIENT
    assert run_json("queue", "list")[0]["recipient"] == "*************89@patient.mssante.fr"


def test_a_reply_that_quotes_the_address_hides_it_with_the_others(office, run_json):
    office.put(last_reply=Reply(450, "4.2.1", f"<{PATIENT}> busy"))
    assert run_json("queue", "list", "--addresses")[0]["last_reply"]["text"] == f"<{PATIENT}> busy"
    assert PATIENT not in str(run_json("queue", "list"))


def test_json_lines_hold_what_scripts_sort_by(office, run_json):
    office.put()
    office.put(OTHER_ID, state=DeliveryState.HELD)
    first, second = run_json("queue", "list")
    assert (first["id"], first["state"], first["attempts"], first["size"]) == (ID, "queued", 2, 4096)
    assert first["due_at"] == "2026-03-01T08:31:00Z"
    assert first["last_reply"] == {"code": 450, "status": "4.2.0", "text": "boite occupee"}
    assert (second["state"], second["due_at"]) == ("held", None)


def test_list_narrows_by_state_domain_and_limit(office, run_json):
    office.put(domain="ailleurs.mssante.fr")
    office.put(OTHER_ID, state=DeliveryState.HELD)
    assert [row["id"] for row in run_json("queue", "list", "--state", "held")] == [OTHER_ID]
    assert [row["id"] for row in run_json("queue", "list", "--domain", "AILLEURS.mssante.fr")] == [ID]
    assert len(run_json("queue", "list", "--limit", "1")) == 1


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_listing_that_stopped_says_so(office, run, as_json):
    """Whoever counts its lines would take a thousand for all."""
    office.put()
    office.put(OTHER_ID)
    assert "there may be more, see --limit" in run("queue", "list", "--limit", "2", *as_json).stderr
    assert "more" not in run("queue", "list", "--limit", "3", *as_json).stderr


def test_an_empty_queue_is_a_good_answer(run):
    listed = run("queue", "list")
    assert listed.exit_code == 0
    assert "0 deliveries" in listed.stderr


def test_show_tells_the_whole_letter(office, run, run_json):
    """Envelope, deliveries, findings and journal; addresses in full, the subject never."""
    office.put(verdict=HELD, state=DeliveryState.HELD)
    shown = run("queue", "show", ID).stdout
    for told in (PATIENT, DOCTOR, "Anne Dupont", "450 4.2.0 boite occupee", "inspection-in-time", "SD-10", "accepted"):
        assert told in shown
    (letter,) = run_json("queue", "show", ID)
    assert letter["envelope"]["forward_paths"][0]["address"] == PATIENT
    assert letter["deliveries"][0]["last_reply"]["code"] == 450
    assert letter["journal"][0]["person"] == "Anne Dupont"
    assert "Canari" not in shown + str(letter)


def test_show_takes_an_id_as_it_was_read_out(office, run):
    """Lower case, O for 0, I for 1: ids are dictated on the telephone."""
    office.put()
    assert run("queue", "show", ID.lower().replace("0", "o").replace("1", "i")).exit_code == 0


def test_show_of_an_erased_letter_is_its_journal(office, run):
    office.put(state=DeliveryState.DELIVERED)
    office.stored.clear()
    shown = run("queue", "show", ID)
    assert shown.exit_code == 0
    assert "erased" in shown.stdout
    assert "delivered" in shown.stdout


def test_show_of_a_damaged_letter_is_what_can_still_be_told(office, run, run_json, monkeypatch):
    """The letter that was set aside because it does not decrypt is the one that an operator wants to see."""

    async def damaged(spool_id):
        raise Undecryptable("a spool file does not decrypt: it was changed")

    office.put(state=DeliveryState.HELD)
    monkeypatch.setattr(office, "load", damaged)
    shown = run("queue", "show", ID)
    assert shown.exit_code == 0
    assert "unreadable: a spool file" in shown.stdout
    assert PATIENT in shown.stdout
    assert run_json("queue", "show", ID)[0]["content"].startswith("unreadable")


def test_show_of_an_unknown_letter_says_no(run):
    shown = run("queue", "show", ID)
    assert shown.exit_code == 1
    assert shown.stderr.startswith("mssgw: queue show: no letter")


def test_retry_needs_ids_or_all_but_not_both(office, run):
    office.put()
    assert run("queue", "retry").exit_code == 64
    assert run("queue", "retry", ID, "--all").exit_code == 64
    assert run("queue", "retry", ID).exit_code == 0
    assert run("queue", "retry", "--all").exit_code == 0
    assert run("queue", "retry", OTHER_ID).exit_code == 1


@pytest.mark.parametrize("verb", ["retry", "hold", "release"])
def test_time_is_what_leases_go_by_and_not_this_machines(office, run, monkeypatch, verb):
    """A machine whose clock is ahead would take what is being sent for free, and hold it."""
    office.clock, told = FixedClock(), []
    change = getattr(office, verb)

    async def noted(*asked, now, **given):
        told.append(now)
        return await change(*asked, now=now, **given)

    office.put()
    if verb == "release":
        run("queue", "hold", ID)
    monkeypatch.setattr(office, verb, noted)
    assert run("queue", verb, ID).exit_code == 0
    assert told == [office.clock.at]


def test_retry_of_what_is_due_already_is_no_failure(office, run, monkeypatch):
    """The daemon is about to try it, or trying it."""

    async def nothing_to_do(spool_ids, **_):
        return 0

    office.put()
    monkeypatch.setattr(office, "retry", nothing_to_do)
    told = run("queue", "retry", ID)
    assert (told.exit_code, told.stdout) == (0, "all due already\n")
    assert run("queue", "retry", OTHER_ID).exit_code == 1
    assert run("queue", "retry", "--all").stdout == "all due already\n"


def test_retry_of_an_empty_queue_says_that_nothing_waits(office, run):
    """`all due already` reads as if letters were about to go; a held one stays held."""
    assert run("queue", "retry", "--all").stdout == "nothing waits to be tried\n"
    office.put()
    run("queue", "hold", ID)
    told = run("queue", "retry", "--all")
    assert (told.exit_code, told.stdout) == (0, "nothing waits to be tried\n")


def test_changes_name_the_operator(office, run, monkeypatch):
    """The journal names who typed sudo, not root (TRC-1)."""
    monkeypatch.setenv("SUDO_USER", "anne")
    office.put()
    run("queue", "hold", ID)
    assert office.operators == ["anne"]
    assert office.rows[0].delivery.state is DeliveryState.HELD


def test_a_forged_sudo_user_is_not_journalled(office, run, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "anne\nroot")
    office.put()
    run("queue", "hold", ID)
    assert office.operators != ["anne\nroot"]
    assert office.operators[0].isprintable()


def test_release_records_the_moves_that_waited(office, run):
    """What the inspection held opens its conversation when a person releases it (SD-10)."""
    office.put(verdict=HELD, state=DeliveryState.HELD)
    office.effects = Effects(moves=(WROTE,))
    assert run("queue", "release", ID).exit_code == 0
    assert office.pairs[a_pair()][0] is State.OPEN
    assert office.rows[0].delivery.state is DeliveryState.QUEUED


@pytest.mark.parametrize("verdict", [HELD, Admit()], ids=["held by the inspection", "held by hand"])
def test_release_of_what_the_rules_refuse_by_now_says_no(office, run, verdict):
    """The doctor has closed since: it stays held, exit 1, and the rule is named."""
    office.put(verdict=verdict, state=DeliveryState.HELD)
    reply = Reply(550, "5.7.1", "Echange clos par le professionnel")
    finding = Finding(rule="patient-may-write", requirement="FIN-7", severity=Severity.REFUSE, reply=reply)
    office.verdict = Refuse(findings=(finding,), reply=reply)
    refused = run("queue", "release", ID)
    assert refused.exit_code == 1
    assert "patient-may-write (FIN-7)" in refused.stderr
    assert "550 5.7.1 Echange clos" in refused.stderr
    assert office.rows[0].delivery.state is DeliveryState.HELD


def test_hold_takes_ids_or_everything_that_waits(office, run):
    """All at once before a restored database is started: it may be more than a command line takes."""
    office.put()
    office.put(OTHER_ID)
    assert run("queue", "hold").exit_code == 64
    assert run("queue", "hold", ID, "--all").exit_code == 64
    told = run("queue", "hold", "--all")
    assert (told.exit_code, told.stdout) == (0, "2 deliveries held\n")
    assert {row.delivery.state for row in office.rows} == {DeliveryState.HELD}
    again = run("queue", "hold", "--all")
    assert (again.exit_code, "nothing waits" in again.stderr) == (1, True)


def test_release_of_what_the_rules_still_hold_names_the_rule(office, run):
    """No validator could judge its documents even now: at night, somebody must know where to look."""
    office.put(verdict=HELD, state=DeliveryState.HELD)
    office.verdict = Hold(findings=(UNVERIFIED,))
    held = run("queue", "release", ID)
    assert held.exit_code == 1
    assert "documents-verified (SD-10)" in held.stderr
    assert office.rows[0].delivery.state is DeliveryState.HELD


@pytest.mark.parametrize(("conflicts", "code"), [(1, 0), (9, 1)])
def test_release_looks_again_when_a_receipt_was_counted_meanwhile(office, run, conflicts, code):
    """SD-4: once per letter and patient, whichever way it came first."""
    office.put(verdict=HELD, state=DeliveryState.HELD)
    office.verdict = Admit()
    office.conflicts = conflicts
    told = run("queue", "release", ID)
    assert told.exit_code == code
    assert ("stays held" in told.stderr) == bool(code)


def test_release_of_what_has_no_content_any_more_says_so(office, run):
    """Its row or file is gone: released, it would only be set aside again."""
    office.put(state=DeliveryState.HELD)
    office.stored.clear()
    told = run("queue", "release", ID)
    assert told.exit_code == 1
    assert "stays held, for it cannot be read" in told.stderr
    assert office.rows[0].delivery.state is DeliveryState.HELD


def test_release_of_what_is_not_held_says_no(office, run):
    office.put()
    assert run("queue", "release", ID).exit_code == 1
    assert run("queue", "release", OTHER_ID).exit_code == 1


def test_bounce_ends_the_deliveries_once(office, run):
    office.put()
    assert run("queue", "bounce", ID).exit_code == 0
    assert run("queue", "bounce", ID).exit_code == 1
    assert run("queue", "bounce", OTHER_ID).exit_code == 1


def test_trace_by_id_message_id_and_address(office, run):
    """Each way in finds the same life; the person is named, the patient masked (SD-6, TRC-1)."""
    office.put()
    office.entries.append(an_entry(JournalEvent.DELIVERED, message_id=None, sender=None, recipient=None))
    office.entries.append(an_entry(JournalEvent.REFUSED, "", message_id=None, recipient=None))
    message_id = f"<{ID}@cabinet.mssante.fr>"
    for subject in (ID, message_id, message_id.strip("<>"), PATIENT, PATIENT.partition("@")[0], ALIAS):
        told = run("trace", subject)
        assert told.exit_code == 0, subject
        assert "delivered" in told.stdout, subject  # a line that names neither Message-ID nor patient
        assert "refused" not in told.stdout, subject
    assert "Anne Dupont (chu)" in told.stdout
    assert PATIENT not in told.stdout
    assert "*************89@patient.mssante.fr" in told.stdout


def test_trace_in_json_is_one_line_an_event_and_a_summary(office, run_json):
    """When it was accepted, delivered and read stands on one line, for each recipient."""
    office.put()
    office.entries.append(an_entry(JournalEvent.DELIVERED, at=EARLIER + timedelta(seconds=2)))
    office.entries.append(an_entry(JournalEvent.READ, detail="displayed", at=EARLIER + timedelta(hours=3)))
    accepted, _, read, summary = run_json("trace", ID)
    assert summary == {
        "id": ID,
        "event": "summary",
        "recipient": "*************89@patient.mssante.fr",
        "accepted": "2026-03-01T08:30:00Z",
        "delivered": "2026-03-01T08:30:02Z",
        "read": "2026-03-01T11:30:00Z",
        "receipt": "displayed",
        "receipt_at": "2026-03-01T11:30:00Z",
        "bounced": None,
    }
    assert (accepted["event"], accepted["person"], accepted["at"]) == (
        "accepted",
        "Anne Dupont",
        "2026-03-01T08:30:00Z",
    )
    assert (read["event"], read["detail"], read["id"]) == ("read", "displayed", ID)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((JournalEvent.DELIVERED, JournalEvent.READ), "(+0s)  2026-"),
        ((JournalEvent.DELIVERED,), "(+0s)  no receipt"),
        ((), "not yet"),
        ((JournalEvent.BOUNCED,), "never: bounced"),
    ],
)
def test_trace_ends_with_the_times_of_each_recipient(office, run, events, said):
    office.put()
    office.entries += [an_entry(event, detail="displayed") for event in events]
    _, summary = run("trace", ID).stdout.split("\nSummary\n")
    assert "*************89@patient.mssante.fr" in summary
    assert said in summary
    assert PATIENT not in summary


@pytest.mark.parametrize("about", ["directory", "patients", "white-list"])
def test_trace_of_a_mailbox_brings_no_lines_about_others(office, run_json, about):
    """What an operator set of others stands under the same word in place of a queue id."""
    for name in ("officine", "radiologie", "laboratoire"):
        mailbox = Address.parse(f"{name}@chu-exemple.mssante.fr")
        office.entries.append(Entry(at=EARLIER, event=JournalEvent.DIRECTORY, spool_id=about, recipient=mailbox))
    (line,) = run_json("trace", "officine@chu-exemple.mssante.fr")
    assert line["recipient"] == "officine@chu-exemple.mssante.fr"
    assert len(run_json("trace", about)) == 3


LAST = ("trace", ID, "--limit", "1")  # without the line that tells what kind of letter it was
LAST_OF_SOME = ("trace", "anne.becfigue@fai.example", "--limit", "1")


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_the_ordinary_address_of_a_patient_is_masked_as_his_matricule_is(office, run, as_json):
    """His letter's trace names the word that something waits, and that one's would name him."""
    ordinary = Address.parse("anne.becfigue@fai.example")
    office.put(OTHER_ID)
    office.put(domain=PATIENTS_HEAR, forward_path=ForwardPath(address=ordinary))
    office.stored[ID] = to(office.stored[ID], ordinary)
    office.entries[-1] = replace(office.entries[-1], recipient=ordinary, detail=PATIENTS_HEAR)
    office.entries.append(an_entry(JournalEvent.DELIVERED, recipient=ordinary, detail="attempt-1"))
    for words in (("trace", ID), ("trace", ordinary.text), ("explain", ID), ("queue", "list"), LAST, LAST_OF_SOME):
        told = run(*words, *as_json).stdout
        assert "becfigue" not in told, words
        assert ("***@fai.example" in told) is (words != ("queue", "list") or bool(as_json)), words
        assert "anne.becfigue@fai.example" in run(*words, "--addresses", *as_json).stdout
    assert "anne.becfigue@fai.example" in run("queue", "show", ID, *as_json).stdout
    del office.stored[ID]
    assert "becfigue" not in run("explain", ID, *as_json).stdout


def to(stored, address):
    path = ForwardPath(address=address)
    envelope = replace(stored.envelope, forward_paths=(path,))
    exchanges = tuple(replace(each, forward_path=path, party=Party.PROFESSIONAL) for each in stored.facts.exchanges)
    facts = replace(stored.facts, envelope=envelope, exchanges=exchanges)
    return replace(stored, envelope=envelope, facts=facts)


def test_trace_of_the_unknown_says_no_without_repeating_it(run):
    told = run("trace", PATIENT)
    assert told.exit_code == 1
    assert "279035" not in told.output


def test_trace_of_a_mistyped_matricule_finds_the_refusal_that_it_caused(office, run):
    """The very case that a doctor calls about; what is not found may be a slip of whoever looks it up."""
    wrong = "289456789012345"
    unknown = run("trace", wrong)
    assert unknown.exit_code == 1
    assert "its key is wrong" in unknown.stderr
    assert wrong not in unknown.output
    recipient = Address.parse(f"{wrong}@patient.mssante.fr")
    office.entries.append(an_entry(JournalEvent.REFUSED, "", recipient=recipient, detail="address-is-well-formed"))
    for subject in (wrong, recipient.text):
        told = run("trace", subject)
        assert told.exit_code == 0
        assert "address-is-well-formed" in told.stdout
        assert wrong not in told.output


@pytest.mark.parametrize("subject", ["127.0.77.9", "", "une lettre"])
def test_trace_of_anything_else_lists_what_it_takes(run, subject):
    told = run("trace", subject)
    assert told.exit_code == 64
    for way in ("queue id", "Message-ID", "address", "matricule", "hash", "white-list"):
        assert way in told.stderr


def test_trace_names_the_rule_of_a_refusal_once(office, run):
    """The entry's detail is the strictest rule; the findings name it again with its requirements."""
    refuse = Finding(rule="patient-may-write", requirement="FIN-7", severity=Severity.REFUSE, recipient=0)
    office.entries.append(an_entry(JournalEvent.REFUSED, detail="patient-may-write", findings=(refuse,)))
    assert run("trace", ID).stdout.count("patient-may-write") == 1
