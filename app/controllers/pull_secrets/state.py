"""What the pull secret controller sees of the cluster."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from app.cluster.api import KubeApi
from app.cluster.informer import Informer, Key
from app.controllers.local_store import LocalStore
from app.controllers.metrics import Progress
from app.controllers.ownership import Claim
from app.controllers.pull_secrets.decision import Policy, Step, mark_of, next_step
from app.controllers.pull_secrets.objects import Account, Marks, PullSecret, secret_name
from app.controllers.pull_secrets.scope import NOTHING


class PullSecretState:
    """ServiceAccounts and pull secrets, both by namespace and name of the Secret."""

    def __init__(
        self,
        api: KubeApi,
        marks: Marks,
        policy: Policy,
        *,
        rivals: Sequence[str],
        silence: float,
        changed: Callable[[Key], None],
    ) -> None:
        self._policy = policy
        self.scope = NOTHING
        self.taken: dict[Key, Claim] = {}
        """Names that a Secret of another owner has."""
        self.accounts: LocalStore[Account] = LocalStore(
            lambda content: Account.of(content, rivals),
            changed,
            lambda key: (key[0], secret_name(*key)),
        )
        self.secrets: LocalStore[PullSecret] = LocalStore(
            lambda content: PullSecret.of(content, marks, rivals), changed
        )
        self.informers = [
            Informer(
                api, "/api/v1/serviceaccounts", "serviceaccounts", self.accounts, silence=silence
            ),
            Informer(
                api, "/api/v1/secrets", "pull secrets", self.secrets, silence=silence,
                select=f"{marks.label}=true",
            ),
        ]  # fmt: skip

    def known(self) -> set[Key]:
        return self.accounts.keys() | self.secrets.keys()

    def knows(self, key: Key) -> bool:
        return key in self.accounts or key in self.secrets

    def next_step(self, key: Key, now: float) -> Step | None:
        account, secret = self.accounts.get(key), self.secrets.get(key)
        return next_step(self.scope, self._policy, account, secret, now)

    def claims(self) -> tuple[Mapping[str, Sequence[Claim]], Mapping[str, int]]:
        """The claims of other owners, and the number of ServiceAccounts in scope, by namespace."""
        claims: defaultdict[str, list[Claim]] = defaultdict(list)
        in_scope: Counter[str] = Counter()
        for key, account in self.accounts.items():
            if self.scope.covers(account.namespace):
                in_scope[account.namespace] += 1
                mark = mark_of(account, self.secrets.get(key))
                if mark:
                    claims[account.namespace].append(Claim(account.title, mark))
                elif key in self.taken:
                    claims[account.namespace].append(self.taken[key])
        return claims, in_scope

    def progress(self, depth: int, now: float) -> Progress:
        """The progress on all objects. `depth` is the number of keys in the queue."""
        claims, in_scope = self.claims()
        apart = sum(map(len, claims.values()))
        pending = {key for key in self.known() if self.next_step(key, now)} - self.taken.keys()
        managed = sum(self.scope.covers(key[0]) for key in pending & self.accounts.keys())
        expiries = [secret.expires for _, secret in self.secrets.items() if secret.expires]
        return Progress(
            depth=depth,
            settled=sum(in_scope.values()) - managed - apart,
            pending=len(pending),
            apart=apart,
            earliest_expiry=min(expiries, default=0.0),
        )
