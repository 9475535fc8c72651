"""The languages in which templates present themselves, and which one a caller reads."""

from collections.abc import Iterable

from django.utils.translation.trans_real import parse_accept_lang_header

ENGLISH = "en"
CHINESE = "zh"
LANGUAGES = (ENGLISH, CHINESE)


def language_of(asked: str | None, accepted: str) -> str:
    """The first language that templates know.

    asked      what the address says, such as `zh-CN`; it goes before
    accepted   a header Accept-Language, which may be empty
    """
    return _known([asked]) if asked else _known(code for code, _ in parse_accept_lang_header(accepted))


def _known(codes: Iterable[str]) -> str:
    primary = (code.lower().partition("-")[0] for code in codes)
    return next((code for code in primary if code in LANGUAGES), ENGLISH)
