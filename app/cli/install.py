"""`registry-admission install`."""

from pathlib import Path

import click
from click.core import ParameterSource

from app.cli import cluster_options, flags, output, read_only_command
from app.config.setting_types import CONTROLLERS
from app.model.mode import MODES, Mode


@click.command()
@cluster_options.image
@cluster_options.service_namespace
@cluster_options.registry_namespace
@click.option(
    "--replicas", type=click.IntRange(min=1), default=3, show_default=True,
    help="Replicas of the service.",
)  # fmt: skip
@click.option(
    "--api-domain", type=click.Choice(["alauda.io", "openshift.io"]), default="alauda.io",
    show_default=True, help="Domain of the registry's API groups and resource names.",
)  # fmt: skip
@click.option(
    "--tls-dir", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with a certificate to use: tls.crt, tls.key and ca.crt. "
    "Without it, the service makes its own and renews it.",
)  # fmt: skip
@flags.words(
    "--controllers", choices=CONTROLLERS,
    text=f"Opt-in controllers to install with their rights: {', '.join(CONTROLLERS)}.",
)  # fmt: skip
@click.option(
    "--policy-reports", is_flag=True,
    help="Install a CronJob that keeps PolicyReports up to date.",
)  # fmt: skip
@click.option(
    "--mode", type=click.Choice(MODES),
    help="Mode of limits without one: enforce, warn or audit.  [default: enforce]",
)  # fmt: skip
@click.option("--print/--apply", "only_print", default=True, help="Print manifests, or apply them.")
@click.option(
    "--wait", is_flag=True,
    help="With --apply: register the webhooks only after all replicas are ready.",
)  # fmt: skip
@flags.duration(
    "--timeout", default="3m", text="With --wait: longest time to wait for the replicas."
)
@cluster_options.kubeconfig
@cluster_options.context
def install(
    image: str,
    namespace: str,
    registry_namespace: str,
    replicas: int,
    api_domain: str,
    tls_dir: Path | None,
    controllers: tuple[str, ...],
    policy_reports: bool,
    mode: Mode | None,
    only_print: bool,
    wait: bool,
    timeout: float,
    kubeconfig: Path | None,
    context: str | None,
) -> None:
    """Print or apply the manifests of the service.

    \b
    Examples:
      registry-admission install --image HOST/registry-admission:TAG | kubectl apply -f -
      registry-admission install --image HOST/registry-admission:TAG --apply --wait
      registry-admission install --image HOST/registry-admission:TAG --mode warn --apply --wait
    """
    if wait and only_print:
        raise click.UsageError("--wait needs --apply")
    source = click.get_current_context().get_parameter_source("timeout")
    if source is not ParameterSource.DEFAULT and not wait:
        raise click.UsageError("--timeout needs --wait")
    from app.cluster import connection
    from app.install import installing, rollout
    from app.model.errors import UnusableError

    certificate = installing.read_certificate(tls_dir, namespace) if tls_dir else None
    manifests = installing.manifests(
        namespace=namespace,
        image=image,
        replicas=replicas,
        api_domain=api_domain,
        registry_namespace=registry_namespace,
        certificate=certificate,
        controllers=controllers,
        mode=mode,
        policy_reports=policy_reports,
    )
    if only_print:
        click.echo(output.as_yaml(manifests, explicit_start=True), nl=False)
        return

    applied = False

    def done(line: str) -> None:
        nonlocal applied
        applied = True
        click.echo(line)

    async def apply() -> None:
        async with connection.found(kubeconfig, context) as api:
            if wait:
                await rollout.apply_and_wait(
                    api, manifests, done, namespace=namespace, seconds=timeout
                )
            else:
                await installing.apply(api, manifests, done)

    try:
        read_only_command.run(apply())
    except UnusableError as error:
        if not applied:
            raise
        raise UnusableError(
            f"{error}; to go back: registry-admission uninstall --yes --service-namespace "
            f"{namespace}"
        ) from None
    if not wait:
        deployment = f"deployment/{installing.NAME}"
        click.echo(f"Watch it start: kubectl -n {namespace} rollout status {deployment}")
