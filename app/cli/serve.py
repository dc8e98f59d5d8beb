"""`registry-admission serve`."""

import click
import yaml

from app.auth.authentication import TokenFileError
from app.certs.files import CertificateError
from app.cli.options import SettingsCommand
from app.cluster.connection import NoClusterError
from app.cluster.manifests import ManifestError
from app.config import logs, runtime
from app.config.settings import Settings
from app.registry.credentials import CredentialsError
from app.wiring import serving
from app.wiring.page import PageError

_UNUSABLE = (
    CertificateError,
    CredentialsError,
    ManifestError,
    NoClusterError,
    OSError,
    PageError,
    TokenFileError,
)


@click.command(cls=SettingsCommand)
@click.option("--show-settings", is_flag=True, help="Print the settings in force and exit.")
def serve(settings: Settings, show_settings: bool) -> None:
    """Serve admission reviews over HTTPS.

    Settings come from flags, then REGISTRY_ADMISSION_* in the environment, then the file that
    --config names. Without --state, the examples of this project are the state.

    \b
    Examples:
      registry-admission serve
      registry-admission serve --state limits/ --tls-dir tls/ --host 0.0.0.0
      REGISTRY_ADMISSION_UNKNOWN_SIZE=warn registry-admission serve --show-settings
    """
    if show_settings:
        click.echo(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), nl=False)
        return
    logs.configure(settings.log_level, settings.log_format)
    try:
        runtime.run(serving.serve(settings, announce=click.echo))
    except _UNUSABLE as error:
        raise click.ClickException(str(error)) from None
