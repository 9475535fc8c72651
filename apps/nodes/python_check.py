"""What can be said about a snippet of Python before it runs."""

import ast
from functools import lru_cache

from pydantic_monty import MontyError, MontyRuntimeError, MontySession, MontySyntaxError

from apps.nodes.python_sandbox import sandboxes

CHECK_SECONDS = 1.0
_MEMORY_BYTES = 32 * 1024 * 1024


@lru_cache(maxsize=1024)
def fault_of(code: str) -> str | None:
    """Say what keeps a snippet from running, without running it; None when nothing is known."""
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        return f"Not Python: {error.msg} (line {error.lineno})."
    except (ValueError, RecursionError, MemoryError) as error:
        return f"Not Python: {str(error) or 'it is nested too deeply'}."
    if not _may_return(tree):
        return "The code returns nothing: use `return`, or end it with an expression."
    try:
        with sandboxes().checkout(limits={"max_feed_duration_secs": CHECK_SECONDS, "max_memory": _MEMORY_BYTES}) as session:
            return _unsupported(session, code) or _missing_module(session, tree)
    except TimeoutError:
        return None  # all sandboxes are busy: the run will tell
    except RuntimeError as error:
        return f"The Python sandbox does not start: {error}."


def _may_return(tree: ast.Module) -> bool:
    """Whether running the code can have a result, or at least refuse its input."""
    return bool(tree.body) and (
        isinstance(tree.body[-1], ast.Expr) or any(isinstance(node, ast.Return | ast.Raise | ast.Assert) for node in ast.walk(tree))
    )


def _unsupported(session: MontySession, code: str) -> str | None:
    # As the body of a function that nobody calls, the code is compiled and not run.
    lines = code.splitlines(keepends=True)
    try:
        session.feed_run("async def check():\n" + "".join("    " + line for line in lines) + "\n    pass\n")
    except (MontySyntaxError, MontyRuntimeError) as error:
        last = next(iter(reversed(error.traceback())), None)
        line = min(last.line - 1, len(lines)) if last else 1
        return f"The sandbox does not know this Python: {error.display('msg')} (line {line})."
    return None


def _missing_module(session: MontySession, tree: ast.Module) -> str | None:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for name in [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."]:
            try:
                session.feed_run(f"import {name}")
            except MontyError:
                return f"The sandbox has no module '{name}' (line {node.lineno})."
    return None
