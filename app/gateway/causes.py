"""Next steps for errors of the gateway's own requests to the registry."""

from app.registry.client import RegistryUnavailableError

_OF_STATUS = {
    401: "give --upstream-auth an account that may read the catalog and manifests",
    403: "the account of --upstream-auth may not read this; let it read the catalog and manifests, "
    "or name the repositories with --repositories",
    429: "the registry or its token service limits its clients; it is asked again later",
}
_OF_TEXT = {
    "CERTIFICATE_VERIFY_FAILED": "give the registry's CA certificate with --upstream-ca",
    "WRONG_VERSION_NUMBER": "the registry speaks plain HTTP; use --upstream http://…",
    "record layer failure": "the registry speaks plain HTTP; use --upstream http://…",
    "without TLS": "the token service has no TLS; use a registry whose token service has",
    "allow-list": "if the registry's token service is on another host, name it with "
    "--upstream-token-hosts",
}
_HTTPS_EXPECTED = "the registry may speak HTTPS; use --upstream https://…"


def explain(error: RegistryUnavailableError) -> str:
    """The error, followed by the next step if there is a known one."""
    text = str(error)
    step = _OF_STATUS.get(error.status, "")
    if error.status == 400 and " http://" in text:
        step = _HTTPS_EXPECTED
    step = next((known for sign, known in _OF_TEXT.items() if sign in text), step)
    return f"{text}; {step}" if step else text
