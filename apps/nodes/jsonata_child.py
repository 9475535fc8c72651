"""A process that evaluates JSONata for a worker. It is started as a file, with an empty environment, and needs neither Django nor our code.

JSONata can loop, recurse and allocate without end, and importing it raises the recursion limit of the whole process: so it gets one of its
own, in which the kernel bounds memory and time. Each message is its length (4 bytes, big-endian) and JSON:

    request    {"expression": str, "input": any, "timeout_ms": int, "memory_mb": int, "only_parse": bool}
    response   {"value": any} or {"fault": {"kind": "expression" | "timeout" | "memory" | "size", "message": str, "position": int | null}}
"""

import math
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

import orjson
import re2
from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.regex_engine import RegexFlags

MAX_STACK = 400
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
# What the interpreter and its libraries map before the first expression.
_OWN_MEMORY_BYTES = 256 * 1024 * 1024
_TIMED_OUT = "D1012"


def pattern_of(pattern: str, flags: RegexFlags) -> Any:
    """RE2 in the place of `re`: it takes time linear in the text, where `re` may backtrack for ever."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not flags.case_insensitive
    return re2.compile(("(?m)" if flags.multiline else "") + pattern, options)


def answer(request: dict[str, Any]) -> bytes:
    try:
        expression = Jsonata(request["expression"], pattern_of, request["timeout_ms"], MAX_STACK)
        value = None if request["only_parse"] else expression.evaluate(request["input"], {})
        response = orjson.dumps({"value": value}, default=_plain)
    except MemoryError:
        return _fault("memory", "Out of memory.")
    except RecursionError:
        return _fault("expression", "The expression recurses too deeply.")
    except JException as error:
        position = error.location if isinstance(error.location, int) and error.location >= 0 else None
        return _fault("timeout" if error.error == _TIMED_OUT else "expression", str(error), position)
    except re2.error as error:
        return _fault("expression", f"Not a regular expression of RE2: {error.args[0].decode(errors='replace')}.")
    except orjson.JSONEncodeError as error:
        return _fault("expression", f"The result is not JSON: {error}.")
    except Exception as error:  # what the library itself stumbles over
        return _fault("expression", f"{type(error).__name__}: {error}")
    return response if len(response) <= MAX_RESPONSE_BYTES else _fault("size", f"The result has {len(response)} bytes.")


def _plain(value: object) -> object:
    if isinstance(value, list):
        return list(value)  # the library's own sequences and ranges
    if isinstance(value, dict):
        return dict(value)
    raise TypeError(f"the result holds a {type(value).__name__}, which is no JSON value")


def _fault(kind: str, message: str, position: int | None = None) -> bytes:
    return orjson.dumps({"fault": {"kind": kind, "message": message[:1000].encode(errors="replace").decode(), "position": position}})


def main(requests: BinaryIO, responses: BinaryIO) -> None:
    while header := requests.read(4):
        request = orjson.loads(requests.read(struct.unpack(">I", header)[0]))
        _bound(request)
        response = answer(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        responses.write(struct.pack(">I", len(response)) + response)
        responses.flush()


def _bound(request: dict[str, Any]) -> None:
    memory = _OWN_MEMORY_BYTES + request["memory_mb"] * 1024 * 1024
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory if most == resource.RLIM_INFINITY else min(memory, most), most))
    # Nobody catches SIGALRM: a single operation that outlasts the limit ends the process, whether or not its parent still lives.
    signal.setitimer(signal.ITIMER_REAL, math.ceil(request["timeout_ms"] / 100) / 10 + 0.5)


if __name__ == "__main__":
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that is printed may get between the messages
    main(sys.stdin.buffer, channel)
