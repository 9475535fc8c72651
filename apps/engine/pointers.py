"""JSON pointers (RFC 6901): the place of a value in a document."""


def pointer_to(*parts: str | int) -> str:
    """JSON pointer of a path: ("nodes", 2, "a/b") → "/nodes/2/a~1b"."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
