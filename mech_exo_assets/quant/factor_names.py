"""Which factors are declared, without importing any of them.

What belongs here: names and meanings as they stand in the modules of `quant.factors`, read as text. What does not: a factor. The
definitions of the asset graph need the names at every start, and that package needs numba, which costs half a second.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ML_ALPHA = "ml_alpha"
"""The machine-learned factor, which stands in no module: it is what models predict from all others (`quant.learning`)."""


@cache
def declared() -> dict[str, str]:
    """Name and meaning of every function that is decorated with `factor`, ordered by name.

    The same names as `quant.factors.registry()`, which a test holds it to.
    """
    found: dict[str, str] = {}
    for module in sorted((Path(__file__).parent / "factors").glob("*.py")):
        text = module.read_text(encoding="utf-8")
        if "@factor(" not in text:
            continue
        for statement in ast.parse(text).body:
            meanings = map(_meaning, statement.decorator_list) if isinstance(statement, ast.FunctionDef) else ()
            if isinstance(statement, ast.FunctionDef) and (meaning := next(filter(None, meanings), None)):
                found[statement.name] = meaning
    return dict(sorted(found.items()))


def _meaning(decorator: ast.expr) -> str | None:
    """The `meaning` of a `factor(...)`; None for another decorator."""
    if not (isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "factor"):
        return None
    return next(ast.literal_eval(each.value) for each in decorator.keywords if each.arg == "meaning")
