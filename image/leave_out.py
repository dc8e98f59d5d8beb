"""Removes the generated part of kubernetes_asyncio that the service does not use.

The library has a class for each kind and each API of Kubernetes: 47 MB of 50 on disk, and 40 MB of
memory, because the library imports all of them at once. The service uses the ones for Leases only.

    python -m image.leave_out SITE-PACKAGES
"""

import compileall
import re
import sys
from pathlib import Path

KEPT = {
    "api": {"coordination_v1_api"},
    "models": {"v1_lease", "v1_lease_spec", "v1_managed_fields_entry", "v1_object_meta",
               "v1_owner_reference"},
}  # fmt: skip
"""The modules that the leader election needs."""
_IMPORT = re.compile(r"^from kubernetes_asyncio\.client\.(?P<path>[\w.]+) import \w+$")


def leave_out(site: Path) -> None:
    """Remove the generated modules of `site`/kubernetes_asyncio that are not in KEPT.

    Raises FileNotFoundError if the library has none of a name that is kept.
    """
    client = site / "kubernetes_asyncio" / "client"
    for part, kept in KEPT.items():
        for name in kept:
            (client / part / f"{name}.py").stat()
        for file in (client / part).rglob("*.py*"):
            if file.name.partition(".")[0] not in {"__init__", *kept}:
                file.unlink()
    for package in (client, client / "api", client / "models"):
        _import_only_what_is_left(package / "__init__.py", client)
    compileall.compile_dir(client, quiet=1, force=True)


def _import_only_what_is_left(init: Path, client: Path) -> None:
    lines = init.read_text(encoding="utf-8").splitlines()
    left = [line for line in lines if line.startswith("__version__") or _exists(line, client)]
    init.write_text("\n".join([*left, ""]), encoding="utf-8")


def _exists(line: str, client: Path) -> bool:
    """Whether a line imports from a module of the library that is still there."""
    found = _IMPORT.match(line)
    return found is not None and (client / f"{found['path'].replace('.', '/')}.py").exists()


if __name__ == "__main__":
    leave_out(Path(sys.argv[1]))
