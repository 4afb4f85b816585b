"""What is sent: real-shaped where it says so, numbered where arrivals are told apart."""

import asyncio
import io
import zipfile
from email import message_from_bytes, policy

from bench.letters import numbered, real_shaped
from bench.sinks import timing_sink


def test_the_real_shaped_letter_carries_an_xdm_archive_and_a_pdf_in_about_300_kb():
    octets = real_shaped()
    message = message_from_bytes(octets, policy=policy.default)
    text, archive, pdf = message.iter_parts()
    assert (text.get_content_type(), archive.get_filename()) == ("text/plain", "IHE_XDM.zip")
    with zipfile.ZipFile(io.BytesIO(archive.get_content())) as opened:
        assert opened.testzip() is None
        assert {"INDEX.HTM", "README.TXT", "IHE_XDM/SUBSET01/METADATA.XML"} < set(opened.namelist())
    assert pdf.get_content().startswith(b"%PDF-")
    assert 280_000 < len(octets) < 320_000
    assert octets == real_shaped(), "the same octets in every run"
    assert b"\n" not in octets.replace(b"\r\n", b"")


async def test_the_sink_notes_each_number_once_pipelined_or_in_pieces():
    """And counts a second copy instead of taking it for the first."""
    async with timing_sink() as arrivals:
        reader, writer = await asyncio.open_connection("127.0.0.1", arrivals.port)
        envelope = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
        two = [b"EHLO x\r\n", *(envelope + numbered(number, 5_000) + b".\r\n" for number in (0, 1, 1)), b"QUIT\r\n"]
        sent = b"".join(two)
        for start in range(0, len(sent), 997):
            writer.write(sent[start : start + 997])
            await writer.drain()
        said = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert set(arrivals.at) == {0, 1}
        assert arrivals.twice == 1
        assert (said.count(b"354 "), said.count(b"221 ")) == (3, 1)
        assert await arrivals.wait_for(2, 1.0)
        assert not await arrivals.wait_for(3, 0.01)
