"""Checks of the Secret with the user's storage credentials.

A finding names keys and never values. It names only keys that look like those of the registry,
because a value may stand in place of a key.
"""

import binascii
import re

from app.model.credentials import (
    S3_ACCESS_KEY,
    S3_KEYS,
    S3_SECRET_KEY,
    CredentialsSecret,
    create_command,
)
from app.policy.names import placeholders
from app.policy.operator.field_checks import close_to
from app.policy.verdict import Verdict

_OTHER_BACKENDS = tuple(
    f"REGISTRY_STORAGE_{backend}_" for backend in ("AZURE", "GCS", "IBMCOS", "OSS", "SWIFT")
)
_ACCESS_KEY_ENDINGS = ("ACCESSKEY", "ACCESSKEYID")
_SECRET_KEY_ENDINGS = ("SECRETKEY", "SECRETACCESSKEY", "ACCESSKEYSECRET")
_SIMILAR = 0.8


def check(secret: CredentialsSecret, namespace: str) -> Verdict:
    """Check the S3 keys against each other, and against what the registry can use.

    Keys of other storage backends are not checked. `namespace` is the registry's.
    """
    verdict = Verdict()
    found = secret.data.keys() | secret.string_data.keys()
    unknown = [key for key in sorted(found - {*S3_KEYS}) if not key.startswith(_OTHER_BACKENDS)]
    meant = {key: known for key in unknown if (known := _meant(key)) and known not in found}
    for key, known in meant.items():
        verdict.deny(
            "MisspelledKey",
            f"the registry does not read the key {key}",
            f"did you mean {known}?",
        )
    _check_pair(verdict, found | {*meant.values()}, namespace)
    for key in S3_KEYS:
        if key in secret.string_data:
            _check_value(verdict, key, secret.string_data[key].get_secret_value())
        elif key in secret.data:
            _check_encoded(verdict, key, secret.data[key].get_secret_value())
    if others := len(unknown) - len(meant):
        verdict.warn(
            f"keys that the registry does not read: {others}; for S3 storage it reads "
            f"{S3_ACCESS_KEY} and {S3_SECRET_KEY}"
        )
    if not found:
        verdict.warn(
            f"there are no keys in it; for S3 storage it needs {S3_ACCESS_KEY} and {S3_SECRET_KEY}"
        )
    return verdict


def _meant(key: str) -> str | None:
    """The key of the registry that was probably meant."""
    letters = re.sub("[^A-Z0-9]", "", key.upper())
    if letters.endswith(_SECRET_KEY_ENDINGS):
        return S3_SECRET_KEY
    if letters.endswith(_ACCESS_KEY_ENDINGS):
        return S3_ACCESS_KEY
    return close_to(key, S3_KEYS, _SIMILAR)


def _check_pair(verdict: Verdict, keys: set[str], namespace: str) -> None:
    there = [key for key in S3_KEYS if key in keys]
    if len(there) != 1:
        return
    [missing] = {*S3_KEYS} - {*there}
    verdict.deny(
        "IncompleteCredentials",
        f"{there[0]} is set, and {missing} is not",
        f"set both: {create_command(namespace)}",
    )


def _check_encoded(verdict: Verdict, key: str, encoded: str) -> None:
    try:
        # The API server ignores line breaks in base64, too.
        value = binascii.a2b_base64(re.sub("[\r\n]", "", encoded), strict_mode=True).decode()
    except (binascii.Error, ValueError) as error:
        text = "text" if isinstance(error, UnicodeDecodeError) else "base64"
        verdict.deny(
            "InvalidCredentials",
            f"data.{key} is not {text}",
            "put the key as it is under stringData, or leave the encoding to kubectl: "
            f"--from-literal={key}=…",
        )
    else:
        _check_value(verdict, key, value)


def _check_value(verdict: Verdict, key: str, value: str) -> None:
    problem = _problem(value)
    if problem is not None:
        verdict.deny("InvalidCredentials", f"{key} {problem[0]}", problem[1])
    elif value in placeholders(value):
        verdict.warn(f"replace the placeholder of {key}")


def _problem(value: str) -> tuple[str, str] | None:
    """What is wrong with a value and what to do, without any character of the value."""
    if not value.strip():
        return "is empty", "set it to the key that the storage's provider gave you"
    if value.endswith(("\n", "\r")):
        return "ends with a line break", "encode it without one: printf %s '<key>' | base64"
    if value != value.strip():
        return "begins or ends with white space", "remove it: the storage would not know the key"
    if not value.isprintable() or len(value.split()) > 1:
        return (
            "has white space or control characters in it",
            "copy the key once more, whole and on one line",
        )
    return None
