"""Which language somebody reads, of those that pages and mails are written in."""

from collections.abc import Iterable

from django.conf import settings

from apps.accounts.models import User

Language = User.Language
CATALOGUES = {Language.ENGLISH: "en", Language.CHINESE: "zh-hans"}
"""Ours, as gettext's catalogues are named."""


def find_chosen(user: object) -> Language | None:
    """What somebody chose for themselves; None for nobody in particular, too."""
    return Language(user.language) if isinstance(user, User) and user.language else None


def default_language() -> Language:
    """That of the installation, LANGUAGE_CODE; English where we do not have it."""
    return find_known([settings.LANGUAGE_CODE]) or Language.ENGLISH


def find_known(codes: Iterable[str]) -> Language | None:
    """The first of these, such as `zh-CN`, that we have."""
    primary = (code.lower().replace("_", "-").partition("-")[0] for code in codes)
    return next((Language(code) for code in primary if code in Language.values), None)


def language_of(user: User) -> Language:
    """What mails to somebody are written in."""
    return find_chosen(user) or default_language()


def language_at(address: str) -> Language:
    """What a mail to this address is written in: as its person chose, if it is anybody's here."""
    readers = User.objects.filter(email__iexact=address, is_active=True).exclude(language="").order_by("pk")
    return find_chosen(readers.first()) or default_language()
