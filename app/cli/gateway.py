"""`registry-admission gateway`."""

import click

from app.cli.options import SettingsCommand
from app.gateway.settings import GatewaySettings

_SETTINGS = (
    "upstream",
    "upstream_ca",
    "upstream_auth",
    "upstream_token_hosts",
    "upstream_storage_hosts",
    "upstream_timeout",
    "external_url",
    "host",
    "port",
    "tls_dir",
    "state",
    "database",
    "repositories",
    "untagged_grace",
    "compare_interval",
    "kubeconfig",
    "context",
    "namespace",
    "request_timeout",
    "watch_lag",
    "clock_skew",
    "watch_silence",
    "api_domain",
    "unknown_size",
    "default_mode",
    "exempt_namespaces",
    "max_uploads",
    "upload_wait",
    "idle_timeout",
    "page_tokens",
    "shutdown_delay",
    "shutdown_timeout",
    "log_level",
    "log_format",
)


@click.command(cls=SettingsCommand, settings=_SETTINGS, model=GatewaySettings)
def gateway(settings: GatewaySettings) -> None:
    """Check pushes to any OCI registry, as a proxy.

    With --state, limits come from a folder of LimitRanges and ResourceQuotas, and the gateway
    counts the contents of the registry in its own database. In a cluster, or with --kubeconfig,
    both come from the API server.

    \b
    Examples:
      registry-admission gateway --upstream http://localhost:5000 --state limits/
      registry-admission gateway --upstream https://registry.example.com \\
        --tls-dir tls/ --host 0.0.0.0 --port 443 --state limits/
    """
    from app.config import logs, runtime
    from app.wiring import gateway as serving
    from app.wiring.banner import announce

    if settings.page_tokens is not None and settings.state is None:
        raise click.UsageError(
            "--page-tokens needs --state: where limits come from the API server, the service has "
            "the page"
        )
    logs.configure(settings.log_level, settings.log_format)
    runtime.run(serving.serve(settings, announce=announce))
