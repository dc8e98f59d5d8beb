"""Adds the pull secret's name to new ServiceAccounts, so that their first Pod uses it."""

from app.admission.review import AdmissionRequest, Outcome, not_handled
from app.controllers.config import ConfigWatch
from app.controllers.ownership import mark_of_account
from app.controllers.pull_secrets.controller import CONDITION, CONTROLLER, Options
from app.controllers.pull_secrets.objects import secret_name


class PullSecretHook:
    """Adds the name of the Secret that the controller is about to create."""

    def __init__(self, watch: ConfigWatch, options: Options) -> None:
        self._watch = watch
        self._options = options

    def review(self, request: AdmissionRequest) -> Outcome:
        """Never refuses: the controller adds later what is missing."""
        content = request.object or {}
        metadata = content.get("metadata") or {}
        name = metadata.get("name") or request.name
        if request.operation != "CREATE" or request.sub_resource or not name:
            return not_handled("only new ServiceAccounts get the name of a pull secret")
        wanted = secret_name(request.namespace, name)
        present = content.get("imagePullSecrets") or []
        why_not = self._why_not(request.namespace) or mark_of_account(
            metadata, wanted, self._options.rivals
        )
        if why_not or {"name": wanted} in present:
            return not_handled(why_not or "the pull secret is named already")
        entries = [*present, {"name": wanted}]
        patch = [{"op": "add", "path": "/imagePullSecrets", "value": entries}]
        return Outcome(patch=patch, audit={"pull-secret": wanted})

    def _why_not(self, namespace: str) -> str:
        problem = self._watch.informer.problem()
        if problem:
            return problem
        if self._watch.condition(CONDITION) == "False" or self._watch.claim(CONTROLLER):
            return "another owner manages pull secrets"
        scope = self._options.scope(self._watch.config)
        return "" if scope.covers(namespace) else "no pull secrets are managed in this namespace"
