"""Expressions: `${ … }` in CEL over JSON values, typed, without side effects, bounded.

`compile_template` compiles a JSON value with expressions in its texts; `Template.resolve` gives the value.
"""

from apps.engine.expressions.compiled import check_expression, compile_expression, evaluate
from apps.engine.expressions.errors import ExpressionError
from apps.engine.expressions.names import Names, Scope
from apps.engine.expressions.templates import Template, check_template, compile_template

__all__ = [
    "ExpressionError",
    "Names",
    "Scope",
    "Template",
    "check_expression",
    "check_template",
    "compile_expression",
    "compile_template",
    "evaluate",
]
