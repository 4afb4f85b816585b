"""The white list that the suite measures is shaped as the published one; it is read where nothing else is."""

from bench import white_list
from mssgw.formats.white_list import read


def test_the_list_made_for_measuring_has_the_shape_and_size_of_the_published_one():
    octets = white_list.made()
    assert octets == white_list.made(), "the same in every run"
    made = read(octets)
    assert (made.entries, made.unreadable) == (6_554, 0)
    assert (len(made.operators), len(made.domains)) == (5_002, 392)
    assert max(map(len, made.domains.values())) == 2_768
    assert sum(1 for names in made.operators.values() if len(names) > 1) == 1_058
    assert 3_500_000 < len(octets) < 3_800_000


def test_a_reading_tells_its_time_and_the_most_memory_that_it_took(tmp_path):
    """With the list that is in force and the next one beside it, it takes more than with one alone."""
    file = tmp_path / "list.xml"
    file.write_bytes(white_list.made())
    found = white_list.in_a_fresh_process(file)
    assert 0 < found["seconds"] < 60
    assert found["idle_mb"] > 20
    assert 0 < found["stays_mb"] <= found["above_mb"] <= found["next_above_mb"]
