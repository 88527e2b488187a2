"""Templates of the reports: HTML with everything that comes from users escaped.

What belongs here: the one way to a page's text. What does not: what stands on a page (`tear_sheet`, `search_page`, `quantstats_report`).
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Any


def render(package: str, template: str, **values: Any) -> str:
    """A template of a package, filled in.

    Names of symbols, sectors and sources come from users: autoescape is on, so that none of them is ever taken for HTML. A value that
    is missing is an error.

    Parameters
    ----------
    package : str
        Import name of the package in which the template lies.
    template : str
        Its file's name; it may include others that lie beside it, or in `web_page`.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    parent, _, name = package.rpartition(".")
    beside, common = PackageLoader(parent, name), PackageLoader("mech_exo_assets.reports", "web_page")
    environment = Environment(
        loader=ChoiceLoader([beside, common]), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(**values)


def text_of(package: str, name: str) -> str:
    """A file that lies in a package, e.g. a style sheet."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def external_references(page: str) -> list[str]:
    """What a browser that opens the page would fetch: addresses in attributes and styles, but not in the text of scripts."""
    markup = re.sub(r"(<script[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    return re.findall(r"""(?:\b(?:src|href)\s*=\s*["']?|url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')\s>]+)""", markup)
