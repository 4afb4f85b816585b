"""What the inbound edge says by itself, and how errors become replies."""

import re
import traceback

from mssgw.core.errors import GatewayError
from mssgw.core.replies import DISK_FULL, INTERNAL_ERROR, Reply
from mssgw.edges.full_disk import is_full

OK = Reply(250, "2.0.0", "OK")
BYE = Reply(221, "2.0.0", "Au revoir")
GOING_DOWN = Reply(421, "4.3.2", "Service en cours d'arret, reessayez plus tard")
TOO_SLOW = Reply(421, "4.4.2", "Delai depasse, connexion fermee")
TOO_MANY = Reply(421, "4.7.0", "Trop de connexions, reessayez plus tard")
TOO_MUCH = Reply(421, "4.7.0", "Trop d'erreurs, connexion fermee")
NOT_MAIL = Reply(421, "4.7.0", "Ceci est un serveur SMTP")
TLS_FIRST = Reply(530, "5.7.0", "STARTTLS est obligatoire")
NO_TLS = Reply(503, "5.5.1", "STARTTLS impossible ici")
AFTER_STARTTLS = Reply(501, "5.5.2", "Donnees recues apres STARTTLS avant la negociation TLS")
BAD_SEQUENCE = Reply(503, "5.5.1", "Commande hors sequence")
BAD_SYNTAX = Reply(501, "5.5.4", "Syntaxe incorrecte")
HELLO_FIRST = Reply(503, "5.5.1", "EHLO ou HELO d'abord")
BAD_HELLO = Reply(501, "5.5.4", "Nom d'hote attendu apres EHLO ou HELO")
SENDER_OK = Reply(250, "2.1.0", "Expediteur accepte")
RECIPIENT_OK = Reply(250, "2.1.5", "Destinataire accepte")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Trop de destinataires, envoyez les suivants dans un autre message")
NO_RECIPIENT = Reply(554, "5.5.1", "Aucun destinataire valide")
UNKNOWN_CLIENT = Reply(550, "5.7.1", "Client inconnu")
NO_EXPANSION = Reply(252, "2.5.0", "Verification impossible, l'adresse sera jugee a RCPT")
NO_LISTS = Reply(502, "5.5.1", "EXPN n'est pas offert")
HELP = Reply(214, "2.0.0", "Passerelle MSSante, voir RFC 5321")

UNKNOWN_COMMAND = "500 5.5.2 Commande inconnue"

_HAS_STATUS = re.compile(r"\d{3}[ -][245]\.\d{1,3}\.\d{1,3} ")
_STATUS = {"500": "5.5.2", "501": "5.5.4", "502": "5.5.1", "503": "5.5.1", "504": "5.5.4", "530": "5.7.0"}


def with_status(line: str) -> str:
    """A one-line reply with an enhanced status code, added where aiosmtpd gives none (RFC 2034).

    The greeting and 3xx replies have none.
    """
    code = line[:3]
    if line.startswith('500 Error: command "'):
        return UNKNOWN_COMMAND  # aiosmtpd repeats the word: a client out of step sends words of a letter
    if code == "220" or code[0] == "3" or _HAS_STATUS.match(line):
        return line
    return f"{code} {_STATUS.get(code, f'{code[0]}.0.0')} {line[4:300]}"


def reply_for(error: BaseException) -> Reply:
    """What the peer is told when something of ours failed: never its text, and never 5xx (threats finding 1)."""
    if isinstance(error, GatewayError):
        return error.reply
    if isinstance(error, OSError) and is_full(error):
        return DISK_FULL
    return INTERNAL_ERROR


def where(error: BaseException) -> list[str]:
    """File, line and function of each frame of a traceback: no source text and no values, so that it can be logged."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
