"""What a delivery notice tells a person, in French: who was not reached, why, and what to do now."""

import re
from collections.abc import Iterator
from datetime import datetime

from mssgw.formats.fates import Action, Fate, NoticeOf
from mssgw.formats.french_time import local

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_RENEW = (
    "Vérifiez l'adresse (dans l'annuaire ou avec le destinataire ; celle d'un patient, dans son dossier), puis "
    "renvoyez votre message."
)
_SUPPORT = "Transmettez cet avis à votre service informatique ou à votre éditeur de logiciel."
_OTHERWISE = "Transmettez le document par un autre moyen sûr."
_LATER = "Prévenez le destinataire par un autre moyen, et renvoyez votre message plus tard."

_NO_DOMAIN = "Le domaine de cette adresse (ce qui suit le signe @) n'existe pas ou ne reçoit pas de courrier."

# Enhanced status (RFC 3463) without its class: why, and what to do. The longest entry that fits is used.
_REASONS: dict[str, tuple[str, str]] = {
    "": ("Le serveur du destinataire a refusé le message sans en préciser la raison.", _SUPPORT),
    "1": ("L'adresse du destinataire pose problème.", _RENEW),
    "1.1": ("Cette adresse n'existe pas.", _RENEW),
    "1.2": (_NO_DOMAIN, _RENEW),
    "1.3": (
        "Cette adresse est mal formée.",
        "Vérifiez l'adresse ; celle d'un patient commence par les 15 caractères de son matricule INS.",
    ),
    "1.6": ("Cette boîte aux lettres a changé d'adresse.", _RENEW),
    "1.7": ("L'adresse de l'expéditeur a été refusée.", _SUPPORT),
    "1.8": ("L'adresse de l'expéditeur a été refusée.", _SUPPORT),
    "1.10": (_NO_DOMAIN, _RENEW),
    "2": ("La boîte aux lettres du destinataire ne peut pas recevoir ce message.", _OTHERWISE),
    "2.1": ("La boîte aux lettres du destinataire est fermée ou n'accepte pas de message.", _OTHERWISE),
    "2.2": (
        "La boîte aux lettres du destinataire est pleine.",
        "Renvoyez votre message plus tard, ou prévenez le destinataire par un autre moyen.",
    ),
    "2.3": ("Le message est trop volumineux pour ce destinataire.", "Renvoyez-le avec moins de pièces jointes."),
    "3": ("Le système de messagerie du destinataire ne peut pas traiter ce message.", _SUPPORT),
    "3.4": (
        "Le message est trop volumineux pour le serveur du destinataire.",
        "Renvoyez-le avec moins de pièces jointes (environ 7 Mo de fichiers en tout).",
    ),
    "4": ("Le serveur du destinataire n'a pas pu être joint.", _SUPPORT),
    "4.6": ("Le message tournait en boucle entre des serveurs.", _SUPPORT),
    "4.7": (
        "Le serveur du destinataire n'a pas accepté le message dans le délai prévu, malgré plusieurs essais.",
        _LATER,
    ),
    "5": ("Les deux serveurs de messagerie ne se sont pas compris.", _SUPPORT),
    "6": ("Le serveur du destinataire ne sait pas traiter le format de ce message.", _SUPPORT),
    "7": ("Le serveur du destinataire a refusé le message pour une raison de sécurité.", _SUPPORT),
    "7.1": (
        "Le serveur du destinataire n'autorise pas cet envoi à cette adresse.",
        "Vérifiez que vous pouvez écrire à ce destinataire ; en cas de doute, transmettez cet avis à votre service "
        "informatique.",
    ),
}

_SUBJECTS = {
    Action.FAILED: "Message non distribué",
    Action.DELAYED: "Message retardé, pas encore distribué",
    Action.RELAYED: "Message transmis au serveur du destinataire",
    Action.DELIVERED: "Message distribué",
}
_OPENINGS = {
    Action.FAILED: (
        "Votre message n'a PAS pu être remis à :",
        "Votre message n'a PAS pu être remis à ces destinataires :",
    ),
    Action.DELAYED: (
        "Votre message n'a pas encore pu être remis à :",
        "Votre message n'a pas encore pu être remis à ces destinataires :",
    ),
    Action.RELAYED: (
        "Votre message a été transmis au serveur de :",
        "Votre message a été transmis aux serveurs de ces destinataires :",
    ),
    Action.DELIVERED: ("Votre message a été remis à :", "Votre message a été remis à ces destinataires :"),
}


def subject_of(notice: NoticeOf) -> str:
    """The subject: never the letter's own, which may hold health data, but its queue id."""
    return f"{_SUBJECTS[notice.action]} (référence {notice.spool_id})"


def text_of_notice(notice: NoticeOf) -> str:
    """The text/plain part, CRLF."""
    return "\r\n".join((*(_CONTROL.sub("?", line) for line in _lines(notice)), ""))


def _lines(notice: NoticeOf) -> Iterator[str]:
    yield "Bonjour,"
    yield ""
    yield _OPENINGS[notice.action][len(notice.fates) > 1]
    for fate in notice.fates:
        yield ""
        yield from _about(fate, notice.action)
    yield ""
    yield from _closing(notice)
    yield ""
    yield f"Référence du message : {notice.spool_id}"
    yield f"Message reçu par la passerelle {notice.hostname} le {_moment(notice.arrived_at)}."
    yield "Cet avis est envoyé automatiquement : il est inutile d'y répondre."


def _about(fate: Fate, action: Action) -> Iterator[str]:
    yield f"  {fate.forward_path.address.text}"
    ours = fate.own_words
    cause = ours.cause if ours else ""
    if action is Action.FAILED:
        why, advice = _reason(fate)
        yield f"  Motif : {why}"
        yield f"  Que faire : {advice}"
    elif action is Action.DELAYED and cause:
        yield f"  Motif : la passerelle n'a pas encore remis le message : {cause}."
    elif action is Action.DELAYED:
        yield "  Motif : le serveur du destinataire est indisponible pour le moment, ou demande d'attendre."
    if fate.reply is not None and ours:
        about = f", à propos de {fate.next_hop}" if fate.next_hop else ""
        code = f"{fate.reply.code} {fate.reply.status}"
        yield f"  Précision de la passerelle{about} : {code} {ours.text}"
    elif fate.reply is not None:
        yield f"  Dernière réponse de {fate.next_hop} : {fate.reply}"


def _closing(notice: NoticeOf) -> Iterator[str]:
    match notice.action:
        case Action.FAILED:
            yield "Les destinataires qui ne sont pas cités ici ne sont pas concernés par cet avis."
            yield "Si l'information est urgente, prévenez le destinataire sans attendre par un autre moyen."
        case Action.DELAYED:
            yield "Vous n'avez rien à faire : ne renvoyez pas le message, la passerelle essaie encore."
            if notice.retry_until is not None:
                yield f"Sans succès d'ici au {_moment(notice.retry_until)}, un nouvel avis vous le dira."
            yield "Si l'information est urgente, prévenez le destinataire par un autre moyen."
        case Action.RELAYED:
            yield "Ce serveur n'envoie pas d'accusé de remise : la passerelle n'en saura pas plus."
            yield "Cet avis ne garantit pas que le message a été lu."
        case Action.DELIVERED:
            yield "Cet avis ne garantit pas que le message a été lu."


def _reason(fate: Fate) -> tuple[str, str]:
    """Why, and what to do: never in the name of a server that was not asked, or was not trusted."""
    ours, late = fate.own_words, fate.reply is None or not fate.reply.permanent
    detail = fate.status(Action.FAILED).partition(".")[2]
    if ours and ours.cause:
        return f"La passerelle n'a pas remis le message : {ours.cause}.", _LATER if late else _SUPPORT
    if ours and not fate.next_hop and detail.startswith("7"):
        return "La passerelle n'a pas remis le message.", _SUPPORT
    return _REASONS.get(detail) or _REASONS.get(detail.partition(".")[0]) or _REASONS[""]


def _moment(at: datetime) -> str:
    """A time of day in France, with its offset because the reader may be overseas."""
    there = local(at)
    offset = there.strftime("%z")
    return f"{there:%d/%m/%Y à %H:%M} (UTC{offset[:3]}:{offset[3:]})"
