"""Our own last words about a letter, in the French of a notice.

As SMTP replies they are ASCII and for administrators; a peer's are shown as they came, and never taken for ours. What
else could be said by another gateway like this one, about us, counts as ours only where no server is named.
"""

from dataclasses import dataclass

from mssgw.core.replies import Reply

_UNPROVEN = "le serveur du destinataire n'a pas pu prouver son identité"
_UNCHECKED = "elle n'a pas pu vérifier l'identité du serveur du destinataire"
_IN_CLEAR = "le serveur du destinataire n'offre pas de liaison chiffrée"
_STRANGER = "le serveur du destinataire n'a pas accepté son authentification"
_NO_HANDSHAKE = "elle n'a pas pu établir de liaison chiffrée avec le serveur du destinataire"
_OURS_REFUSED = "le serveur du destinataire n'a pas accepté son certificat"
_NO_CONNECTION = "elle n'a pas pu se connecter au serveur du destinataire"
_BROKEN = "un incident interne l'en a empêchée"

# What we say: with its accents, and why "la passerelle n'a pas remis le message" ("": the status tells it well).
_ABOUT_A_SERVER: dict[str, tuple[str, str]] = {
    "Connexion avec le serveur suivant perdue": ("Connexion avec le serveur suivant perdue", ""),
    "Le serveur suivant n'a pas repondu a temps": ("Le serveur suivant n'a pas répondu à temps", ""),
    "Le serveur suivant tarde a repondre": ("Le serveur suivant tarde à répondre", ""),
    "Reponse inattendue du serveur suivant": ("Réponse inattendue du serveur suivant", ""),
    "Message plus gros que ce que le serveur suivant accepte": (
        "Message plus gros que ce que le serveur suivant accepte",
        "",
    ),
    "Message en 8 bits, que le serveur suivant n'accepte pas": (
        "Message en 8 bits, que le serveur suivant n'accepte pas",
        "",
    ),
    "Adresse ou message internationalise, que le serveur suivant n'accepte pas": (
        "Adresse ou message internationalisé, que le serveur suivant n'accepte pas",
        "",
    ),
    "Le serveur suivant n'est plus de confiance": ("Le serveur suivant n'est plus de confiance", _UNPROVEN),
    "Etat de revocation du certificat du serveur suivant inconnu": (
        "État de révocation du certificat du serveur suivant inconnu",
        _UNCHECKED,
    ),
    "Liste blanche MSSante indisponible : serveur suivant non verifiable": (
        "Liste blanche MSSanté indisponible : serveur suivant non vérifiable",
        _UNCHECKED,
    ),
    "Le serveur suivant n'est pas verifiable pour le moment": (
        "Le serveur suivant n'est pas vérifiable pour le moment",
        _UNCHECKED,
    ),
    "Le serveur suivant n'offre pas STARTTLS, exige par la route": (
        "Le serveur suivant n'offre pas STARTTLS, exigé par la route",
        _IN_CLEAR,
    ),
    "Le serveur suivant repond mal a STARTTLS, exige par la route": (
        "Le serveur suivant répond mal à STARTTLS, exigé par la route",
        _IN_CLEAR,
    ),
    "Le serveur suivant refuse notre authentification": (
        "Le serveur suivant refuse l'authentification de la passerelle",
        _STRANGER,
    ),
    "Domaine du serveur suivant introuvable dans le DNS": (
        "Domaine du serveur suivant introuvable dans le DNS",
        "le serveur du destinataire est introuvable",
    ),
    "Le DNS ne repond pas pour le serveur suivant": ("Le DNS ne répond pas pour le serveur suivant", ""),
    "Ce domaine ne recoit pas de courrier": (
        "Ce domaine ne reçoit pas de courrier",
        "",
    ),
    "La passerelle s'arrete": ("La passerelle s'arrête", "elle s'arrêtait au moment du dernier essai"),
    "Tentative interrompue : trop longue": ("Tentative interrompue : trop longue", ""),
    "Depose dans la boite aux lettres": ("Déposé dans la boîte aux lettres", ""),
    "Deja depose dans la boite aux lettres": ("Déjà déposé dans la boîte aux lettres", ""),
    "La messagerie du destinataire est trop lente": ("La messagerie du destinataire est trop lente", ""),
    "Messagerie du destinataire injoignable": ("Messagerie du destinataire injoignable", ""),
    "La messagerie coupe a l'ouverture de cette boite : existe-t-elle ?": (
        "La messagerie coupe à l'ouverture de cette boîte : existe-t-elle ?",
        "la messagerie du destinataire n'a pas ouvert sa boîte aux lettres",
    ),
    "Le certificat ou la negociation TLS de la messagerie est refuse": (
        "Le certificat ou la négociation TLS de la messagerie est refusé",
        "la messagerie du destinataire n'a pas pu prouver son identité",
    ),
    "La messagerie refuse notre authentification": (
        "La messagerie refuse l'authentification de la passerelle",
        "la messagerie du destinataire n'a pas accepté son authentification",
    ),
    "Boite aux lettres pleine": ("Boîte aux lettres pleine", ""),
    "Message plus gros que ce que la messagerie accepte": ("Message plus gros que ce que la messagerie accepte", ""),
    "La messagerie refuse l'operation": ("La messagerie refuse l'opération", ""),
}
# The same of what goes on: with what the server or OpenSSL said.
_BEGINNINGS: dict[str, tuple[str, str]] = {
    "Connexion au serveur suivant impossible": ("Connexion au serveur suivant impossible", _NO_CONNECTION),
    "Le certificat ou la negociation TLS du serveur suivant est refuse": (
        "Le certificat ou la négociation TLS du serveur suivant est refusé",
        _UNPROVEN,
    ),
    "La negociation TLS avec le serveur suivant echoue": (
        "La négociation TLS avec le serveur suivant échoue",
        _NO_HANDSHAKE,
    ),
    "Le serveur suivant refuse le certificat de la passerelle": (
        "Le serveur suivant refuse le certificat de la passerelle",
        _OURS_REFUSED,
    ),
    "Le serveur suivant offre STARTTLS, exige par la route, mais le refuse": (
        "Le serveur suivant offre STARTTLS, exigé par la route, mais le refuse",
        _IN_CLEAR,
    ),
    "Le serveur suivant n'est pas de confiance : ": ("Le serveur suivant n'est pas de confiance : ", _UNPROVEN),
}
_DISTRUSTED_FOR = {
    "il ne presente pas de certificat": "il ne présente pas de certificat",
    "le nom (DN) de son certificat n'est pas lisible sans ambiguite": (
        "le nom (DN) de son certificat n'est pas lisible sans ambiguïté"
    ),
    "son certificat est revoque": "son certificat est révoqué",
    "son certificat n'est pas valable ou pas de l'IGC-Sante": "son certificat n'est pas valable ou pas de l'IGC-Santé",
    "son certificat n'est celui d'aucun operateur de la liste blanche MSSante": (
        "son certificat n'est celui d'aucun opérateur de la liste blanche MSSanté"
    ),
    "son certificat n'est pas celui d'un operateur de ce domaine (liste blanche MSSante)": (
        "son certificat n'est pas celui d'un opérateur de ce domaine (liste blanche MSSanté)"
    ),
}
_OF_OURSELVES: dict[str, tuple[str, str]] = {
    "Message retire de la file par l'administrateur de la passerelle": (
        "Message retiré de la file par l'administrateur de la passerelle",
        "son administrateur l'a retiré de la file d'attente",
    ),
    "Domaine retire de la liste blanche MSSante": (
        "Domaine retiré de la liste blanche MSSanté",
        "le domaine du destinataire n'est plus dans la liste blanche MSSanté",
    ),
    "Plus de route vers ce domaine dans la configuration": (
        "Plus de route vers ce domaine dans la configuration",
        "elle n'a plus de route vers le domaine du destinataire",
    ),
    "Incident interne, reessayez plus tard": ("Incident interne", _BROKEN),
    "Adresse invalide : forme attendue boite@domaine": ("Adresse invalide : forme attendue boîte@domaine", ""),
    "La messagerie de ce patient est cloturee": ("La messagerie de ce patient est clôturée", ""),
}


@dataclass(frozen=True, slots=True)
class OwnWords:
    """``text``: the reply's, with its accents. ``cause``: a clause, why we did not hand the letter on, or ""."""

    text: str
    cause: str = ""


def own_words(reply: Reply, next_hop: str) -> OwnWords | None:
    """What we said ourselves, be it about ``next_hop``; None: those are the words of that server."""
    said = reply.text
    known = _ABOUT_A_SERVER.get(said) or ("" if next_hop else _OF_OURSELVES.get(said))
    if known:
        return OwnWords(*known)
    for ascii_text, (text, cause) in _BEGINNINGS.items():
        if said.startswith(ascii_text):
            rest = said.removeprefix(ascii_text)
            return OwnWords(text + _DISTRUSTED_FOR.get(rest, rest), cause)
    return None if next_hop else OwnWords(said)
