"""Templates: everything that is not a template's own text is escaped."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from app.html.bars import bar
from app.html.numbers import amount, grouped, readable


def environment(package: str) -> Environment:
    """The templates of a package beside those that all share."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("app.html")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(amount=amount, bar=bar, bytes=readable, grouped=grouped)
    return made
