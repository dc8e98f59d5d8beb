"""The Jinja environment. It escapes every value."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from app.reporting.numbers import readable


def environment(package: str) -> Environment:
    """The templates of a package, and the shared ones."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("app.reporting.html")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["bytes"] = readable
    return made
