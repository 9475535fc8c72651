"""A picture as an SVG file of its own, which a page may show as an image.

It needs no style sheet, no script and nothing from elsewhere, so that the strictest content security policy lets it through. All texts are
escaped, and characters that XML does not know are left out.
"""

import re
from collections.abc import Iterator
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from apps.workflows.arrange import BOX_HEIGHT, Area
from apps.workflows.picture import DETAIL_SIZE, MARGIN, NAME_SIZE, PORT_SIZE, TEXT_BEGINS, Box, Line, Picture

Theme = Literal["light", "dark"]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FONT = "Inter, Segoe UI, Roboto, Helvetica Neue, PingFang SC, Microsoft YaHei, Noto Sans CJK SC, sans-serif"
# {theme: (canvas, box, border, ink, quiet ink)}
_COLOURS = {
    "light": ("#f5f6fa", "#ffffff", "#dfe1ea", "#1e2130", "#5b6072"),
    "dark": ("#141722", "#1d2130", "#2f3447", "#eceef6", "#a3a8bd"),
}
# A stripe on each box says what kind of node it is; the word beneath its name says so too.
_STRIPES = {"trigger": "#4f46e5", "control": "#0e7490", "data": "#15803d", "code": "#b45309", "http": "#be185d", "loop": "#7c3aed"}
_OTHER_STRIPE = "#64748b"
_EMPTY_WIDTH, _EMPTY_HEIGHT = 320, 96


def svg_of(picture: Picture | None, *, title: str, theme: Theme = "light") -> str:
    """The file; a plain card with the title where there is no picture."""
    if picture is None:
        body = [_text(_EMPTY_WIDTH / 2, _EMPTY_HEIGHT / 2, title, _COLOURS[theme][3], anchor="middle")]
        return _file(_EMPTY_WIDTH, _EMPTY_HEIGHT, title, theme, body)
    parts = [part for frame in picture.frames for part in _frame(frame, theme)]
    parts += [part for line in picture.lines for part in _line(line, theme)]
    parts += [part for box in picture.boxes for part in _box(box, theme)]
    return _file(picture.width, picture.height, title, theme, parts, summary=picture.summary)


def _file(width: float, height: float, title: str, theme: Theme, parts: list[str], *, summary: str = "") -> str:
    canvas = f'<rect width="{width:g}" height="{height:g}" rx="{MARGIN}" fill="{_COLOURS[theme][0]}"/>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" '
        f'role="img" aria-label={quoteattr(_clean(title))} font-family="{_FONT}">'
    )
    told = [f"<title>{escape(_clean(title))}</title>"] + ([f"<desc>{escape(_clean(summary))}</desc>"] if summary else [])
    return "\n".join([head, *told, canvas, *parts, "</svg>\n"])


def _line(line: Line, theme: Theme) -> Iterator[str]:
    _, _, _, _, quiet = _COLOURS[theme]
    yield f'<path d="{line.path}" fill="none" stroke="{quiet}" stroke-width="1.5"/>'
    yield f'<path d="M{line.end_x - 7:g} {line.end_y - 4:g}l7 4l-7 4z" fill="{quiet}"/>'
    if line.label:
        yield _text(line.label_x, line.label_y + 4, line.label, quiet, size=PORT_SIZE, anchor="middle", halo=_COLOURS[theme][0])


def _frame(frame: Box, theme: Theme) -> Iterator[str]:
    """A loop around its body: as a box, but one sees through it."""
    _, fill, border, _, _ = _COLOURS[theme]
    yield _rectangle(frame.area, f'rx="14" fill="{fill}" fill-opacity="0.45" stroke="{border}" stroke-width="1.5"')
    yield from _lettering(frame, theme)


def _box(box: Box, theme: Theme) -> Iterator[str]:
    _, fill, border, _, _ = _COLOURS[theme]
    yield _rectangle(box.area, f'rx="10" fill="{fill}" stroke="{border}"')
    yield from _lettering(box, theme)


def _rectangle(area: Area, look: str) -> str:
    return f'<rect x="{area.x:g}" y="{area.y:g}" width="{area.width:g}" height="{area.height:g}" {look}/>'


def _lettering(box: Box, theme: Theme) -> Iterator[str]:
    """The stripe and the two lines at the upper left."""
    _, _, _, ink, quiet = _COLOURS[theme]
    stripe = _STRIPES.get(box.type.partition(".")[0], _OTHER_STRIPE)
    x, y = box.area.x, box.area.y
    yield f'<rect x="{x + 6:g}" y="{y + 10:g}" width="4" height="{BOX_HEIGHT - 20}" rx="2" fill="{stripe}"/>'
    yield _text(x + TEXT_BEGINS, y + 23, box.label, ink, size=NAME_SIZE, weight=600)
    yield _text(x + TEXT_BEGINS, y + 41, box.detail, quiet, size=DETAIL_SIZE)


def _text(x: float, y: float, text: str, ink: str, *, size: int = 13, weight: int = 400, anchor: str = "start", halo: str = "") -> str:
    look = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{ink}"'
    if halo:
        look += f' paint-order="stroke" stroke="{halo}" stroke-width="4"'
    return f'<text x="{x:g}" y="{y:g}" {look}>{escape(_clean(text))}</text>'


def _clean(text: str) -> str:
    return _NOT_XML.sub("", text)
