"""`mssgw patient`: the registry by hand and by file; nobody is named where nobody asked (WHO-5)."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from mssgw.core.ins import Matricule
from mssgw.core.journal import THE_PATIENTS, JournalEvent
from mssgw.core.patients import Patient, PatientState
from mssgw.core.routes import RouteTable
from mssgw.core.settings import Settings
from mssgw.edges.memory.content import Content
from mssgw.edges.memory.patients import MemoryPatients
from mssgw.edges.passwords import Passwords
from tests.canaries import BAD_MATRICULES, MATRICULES
from tests.unit.app.office_double import OfficeDouble

ANNE, BRUNO, CELIA = MATRICULES[:3]
EMAIL = "anne.becfigue@fai.invalid"
T = TypeVar("T")


class House(OfficeDouble):
    """An office with a registry, and a patient space unless ``space`` is taken away."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = Content()
        self.patients = MemoryPatients(self.kept)
        self.settings = settings(patient_space=True)

    def patient(self, matricule: str) -> Patient | None:
        return run_in_loop(self.patients.find(Matricule.parse(matricule)))


def settings(*, patient_space: bool) -> Settings:
    owners = {"patient.mssante.fr": "patient-space"} if patient_space else {}
    return Settings(hostname="gw.mssgw.invalid", routes=RouteTable({}), owners=owners)


def run_in_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


@pytest.fixture
def office() -> House:
    return House()


def test_a_patient_is_added_once(office, run):
    added = run("patient", "add", ANNE, "--email", EMAIL)
    assert (added.exit_code, added.stdout) == (0, "patient added, created\n")
    anne = office.patient(ANNE)
    assert (anne.state, anne.email.text) == (PatientState.CREATED, EMAIL)
    again = run("patient", "add", f"{ANNE}@patient.mssante.fr", "--state", "opposed")
    assert again.exit_code == 1
    assert "registered already" in again.stderr
    assert office.patient(ANNE).state is PatientState.CREATED
    (entry,) = office.kept.journal
    assert (entry.event, entry.detail, entry.recipient.text) == (
        JournalEvent.PATIENT,
        "added created",
        f"{ANNE}@patient.mssante.fr",
    )


def test_who_he_is_and_where_he_reads_need_not_be_typed(office, run):
    """`ps` and sudo's log show arguments: a line of standard input for each "-", his first, a password last."""
    assert run("patient", "add", "-", "--email", "-", stdin=f"{ANNE}\n{EMAIL}\n").stdout == "patient added, created\n"
    assert office.patient(ANNE).email.text == EMAIL
    assert run("patient", "set", "--email", "-", "-", stdin=f"{ANNE}\na.b@fai.invalid\n").exit_code == 0
    assert office.patient(ANNE).email.text == "a.b@fai.invalid"
    assert run("patient", "list", "--patient", "-", stdin=ANNE).exit_code == 0
    assert run("patient", "password", "-", stdin=f"{ANNE}\nperruche-ondulee\n").stdout == "password set\n"
    assert office.patient(ANNE).has_password


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_list_that_stopped_says_so(office, run, as_json):
    """Whoever counts its lines would take a thousand patients for all."""
    for each in (ANNE, BRUNO):
        run("patient", "add", each)
    assert "there may be more, see --limit" in run("patient", "list", "--limit", "2", *as_json).stderr
    for words in (("--limit", "3"), ("--limit", "1", "--patient", ANNE)):
        assert "more" not in run("patient", "list", *words, *as_json).stderr


@pytest.mark.parametrize("wrong", [BAD_MATRICULES[0], "123", "dr.martin@cabinet.mssante.fr"])
def test_who_is_no_patient_is_refused_without_being_named(run, wrong):
    """65: the input is wrong, whichever command it is given to."""
    for words in (("add", wrong), ("set", wrong, "--no-email"), ("password", wrong), ("list", "--patient", wrong)):
        refused = run("patient", *words)
        assert refused.exit_code == 65
        named = "--patient" if "--patient" in words else "MATRICULE"
        assert f"mssgw: patient {words[0]}: {named}: " in refused.stderr
        assert wrong not in refused.output


def test_an_ordinary_address_lies_outside_the_patient_domain(run):
    """A word sent into it would be told of again, for ever."""
    refused = run("patient", "add", ANNE, "--email", f"{BRUNO}@patient.mssante.fr")
    assert refused.exit_code == 65
    assert "mssgw: patient add: --email: expected an ordinary address" in refused.stderr
    assert BRUNO not in refused.output


def test_set_changes_what_is_said_and_nothing_else(office, run):
    run("patient", "add", ANNE, "--email", EMAIL)
    assert run("patient", "set", ANNE, "--state", "active").stdout == "patient: active\n"
    assert office.patient(ANNE).email.text == EMAIL
    assert run("patient", "set", ANNE, "--no-email").stdout == "patient: email taken away\n"
    assert office.patient(ANNE).state is PatientState.ACTIVE
    assert office.patient(ANNE).email is None
    assert run("patient", "set", ANNE, "--state", "active").stdout == "patient: as it was already\n"
    assert [entry.detail for entry in office.kept.journal] == ["added created", "active", "email taken away"]


def test_a_step_that_the_table_does_not_hold_is_refused(office, run):
    run("patient", "add", ANNE, "--state", "active")
    refused = run("patient", "set", ANNE, "--state", "opposed")
    assert refused.exit_code == 1
    assert "opposed while active" in refused.stderr
    assert office.patient(ANNE).state is PatientState.ACTIVE


def test_who_is_not_registered_cannot_be_changed(run):
    assert run("patient", "set", ANNE, "--state", "active").exit_code == 1
    assert run("patient", "password", ANNE, stdin="geheim\n").exit_code == 1
    assert run("patient", "list", "--patient", ANNE).exit_code == 1


def test_set_needs_something_to_do(run):
    run("patient", "add", ANNE)
    assert run("patient", "set", ANNE).exit_code == 64
    assert run("patient", "set", ANNE, "--email", EMAIL, "--no-email").exit_code == 64


def test_a_listing_names_nobody_unless_asked_to(run, run_json):
    """Neither the patient nor where he reads his ordinary mail."""
    run("patient", "add", ANNE, "--email", EMAIL)
    run("patient", "add", BRUNO, "--state", "opposed")
    for words in ((), ("--json",), ("--patient", ANNE)):
        listed = run("patient", "list", *words)
        assert listed.exit_code == 0
        assert not {ANNE, BRUNO, EMAIL} & set(listed.output.replace('"', " ").split())
        assert ANNE not in listed.output
        assert EMAIL not in listed.output
    (bruno, anne) = run_json("patient", "list", "--addresses")
    assert (anne["patient"], anne["email"], anne["notified"]) == (f"{ANNE}@patient.mssante.fr", EMAIL, True)
    assert (bruno["state"], bruno["email"], bruno["password"]) == ("opposed", None, False)
    assert [each["state"] for each in run_json("patient", "list", "--state", "opposed")] == ["opposed"]


def test_a_password_is_kept_as_its_hash(office, run):
    run("patient", "add", ANNE, "--state", "active")
    told = run("patient", "password", ANNE, stdin="perruche-ondulee\n")
    assert (told.exit_code, told.stdout) == (0, "password set\n")

    async def check(password: str) -> bool:
        known = await office.patients.credentials(Matricule.parse(ANNE))
        passwords = Passwords()
        try:
            return await passwords.check(known.password_hash, password)
        finally:
            passwords.close()

    assert run_in_loop(check("perruche-ondulee"))
    assert not run_in_loop(check("perruche"))
    assert run("patient", "password", ANNE, stdin="\n").exit_code == 64


@pytest.fixture
def csv_file(tmp_path):
    def write(*lines: str) -> str:
        path = tmp_path / "patients.csv"
        path.write_text("\n".join(("matricule,state,email", *lines, "")), encoding="utf-8")
        return str(path)

    return write


def test_a_file_is_imported_and_again_changes_nothing(office, run, run_json, csv_file):
    run("patient", "add", BRUNO, "--email", EMAIL)
    file = csv_file(f"{ANNE},active,{EMAIL}", f"{BRUNO}@patient.mssante.fr,OPPOSED,", f"{CELIA.lower()}, created ,")
    assert run_json("patient", "import", file) == [{"lines": 3, "added": 2, "changed": 1, "unchanged": 0}]
    assert office.patient(BRUNO).email is None
    assert office.patient(CELIA).state is PatientState.CREATED
    assert run_json("patient", "import", file) == [{"lines": 3, "added": 0, "changed": 0, "unchanged": 3}]
    last = office.kept.journal[-1]
    assert (last.spool_id, last.detail, last.recipient) == (THE_PATIENTS, "import of 3", None)
    assert len(office.kept.journal) == 2


def test_wrong_lines_are_told_by_number_and_nothing_is_imported(office, run, csv_file):
    """Line and column and what was expected, never a value: a file of patients is full of them."""
    file = csv_file(
        f"{ANNE},active,", f"{BAD_MATRICULES[0]},vivant,pas une adresse", f"{ANNE},created,", f"{BRUNO},active"
    )
    refused = run("patient", "import", file)
    assert refused.exit_code == 65
    assert f"{file}:3: matricule: la cle du matricule INS est fausse; state: expected created" in refused.stderr
    assert f"{file}:4: matricule: line 2 is about the same patient" in refused.stderr
    assert f"{file}:5: expected 3 columns, found 2" in refused.stderr
    assert "3 of 4 lines are wrong; nothing imported" in refused.stderr
    assert not any(value in refused.output for value in (ANNE, BRUNO, *BAD_MATRICULES, "vivant", "pas une"))
    assert office.patient(ANNE) is None


def test_a_step_that_cannot_be_imports_nothing_either(office, run, csv_file):
    run("patient", "add", BRUNO, "--state", "active")
    refused = run("patient", "import", csv_file(f"{ANNE},active,", f"{BRUNO},opposed,"))
    assert refused.exit_code == 65
    assert ":3: state: opposed while active" in refused.stderr
    assert office.patient(ANNE) is None


@pytest.mark.parametrize(
    "content", [b"", b"patient,bal,state,date\n", b"matricule;state;email\n", b"matricule,state,email\n\xff,active,\n"]
)
def test_what_is_no_such_file_is_refused(run, tmp_path, content):
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    assert run("patient", "import", str(path)).exit_code == 65


def test_a_hundred_wrong_lines_are_told_briefly(run, csv_file):
    refused = run("patient", "import", csv_file(*["x,active,"] * 100))
    assert refused.stderr.count("patients.csv:") == 21
    assert "80 more not shown" in refused.stderr


def test_without_a_patient_space_a_warning_says_that_nobody_asks_the_registry(office, run):
    assert "warning" not in run("patient", "list").stderr
    office.settings = settings(patient_space=False)
    added = run("patient", "add", ANNE)
    assert added.exit_code == 0
    assert "no [patient_space]" in added.stderr


@pytest.mark.parametrize("command", ["add", "set", "list", "password", "import"])
def test_each_command_shows_how_it_is_used(run, command):
    assert f"mssgw patient {command}" in run("patient", command, "--help").stdout
