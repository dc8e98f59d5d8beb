"""`registry-admission serve`."""

import click
import yaml

from app.cli.options import SettingsCommand
from app.config.settings import Settings


@click.command(cls=SettingsCommand)
@click.option("--show-settings", is_flag=True, help="Print the settings in force and exit.")
def serve(settings: Settings, show_settings: bool) -> None:
    """Serve admission reviews over HTTPS.

    Settings come from flags, then REGISTRY_ADMISSION_* in the environment, then the file that
    --config names. Limits come from the cluster that it runs in, from --kubeconfig, or from a
    folder (--state). Outside of a cluster and without these options, it uses the examples of this
    project.

    \b
    Examples:
      registry-admission serve
      registry-admission serve --state limits/ --tls-dir tls/ --host 0.0.0.0
      REGISTRY_ADMISSION_UNKNOWN_SIZE=warn registry-admission serve --show-settings
    """
    if show_settings:
        click.echo(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), nl=False)
        return
    from app.config import logs, runtime
    from app.wiring import serving
    from app.wiring.banner import announce

    logs.configure(settings.log_level, settings.log_format)
    runtime.run(serving.serve(settings, announce=announce))
