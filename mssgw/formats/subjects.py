"""What a subject says to the gateway: [FIN] (SD-2)."""

import re
import unicodedata

from mssgw.core.message import Fin

_REPLY = re.compile(r"(?:re|ref|rep|r|tr|tf|fw|fwd|wg|aw|sv|antw)(?:\[[0-9]{1,3}\]|\([0-9]{1,3}\))?:")


def fin_of(subject: str) -> Fin:
    """Judge an unfolded, RFC 2047-decoded subject (FIN-1, SD-2).

    It closes when it equals ``[FIN]`` once spaces and tabs around it, the white space of RFC 5322, are gone. Anything
    else that a person may have meant so is a near miss: another case, brackets, a reply prefix, a no-break space,
    or ``[fin]`` among other words.
    """
    if subject.strip(" \t") == "[FIN]":  # req: FIN-1
        return Fin.EXACT
    if len(subject) > 200:
        return Fin.NO
    # Compatibility forms and accents away, no white space or invisible characters: "Ré : [ Fin ]" is "re:[fin]".
    folded = unicodedata.normalize("NFKD", subject).casefold()
    bare = "".join(char for char in folded if unicodedata.category(char)[0] in "LNPS" and not char.isspace())
    begin = 0
    while (prefix := _REPLY.match(bare, begin)) is not None:
        begin = prefix.end()
    bare = bare[begin:]
    letters = "".join(char for char in bare if char.isalnum())
    return Fin.NEAR_MISS if "[fin]" in bare or letters == "fin" else Fin.NO
