"""Requests of the Image API: the claims of each, and the result that it stores."""

from functools import partial

from app.quota.members import Claims, Members
from app.quota.usage import StreamUsage
from tests.unit.quota_replica import Request
from tests.unit.quota_storage import Storage


class Requests:
    def __init__(self) -> None:
        self.storage = Storage()
        self.serial = 0

    def making(self, name: str) -> Request:
        claims = Claims("ns", Members(frozenset({name})))
        return Request(claims, partial(self.storage.make, name))

    def pushing(self, name: str, tag: str, digest: str) -> Request:
        pushed = Members(images=frozenset({(name, digest)}), tags=frozenset({(name, tag)}))
        return Request(Claims("ns", pushed), partial(self.storage.map, name, {tag: digest}))

    def updating(self, name: str, gone: str, tag: str, digest: str) -> Request:
        old = self.storage.stored.get(name, {})
        new = {key: kept for key, kept in old.items() if key != gone} | {tag: (digest,)}
        before, after = StreamUsage(old).members(name), StreamUsage(new).members(name)
        claims = Claims("ns", after - before, before - after)
        return Request(claims, partial(self.storage.replace, name, old, new))

    def importing(self, name: str, tags: list[str], brought: dict[str, str]) -> Request:
        self.serial += 1
        unknown = {(name, f"unknown-{self.serial}-{tag}") for tag in tags}
        adds = Members(frozenset({name}), frozenset(unknown), frozenset((name, t) for t in tags))
        return Request(Claims("ns", adds), partial(self.storage.bring, name, brought), once=True)
