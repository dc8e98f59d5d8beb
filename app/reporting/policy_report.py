"""Audits as PolicyReport objects (wgpolicyk8s.io/v1alpha2), one for each namespace."""

from datetime import datetime
from itertools import islice
from typing import Any

from app.model.domain import ApiDomain
from app.policy.fullness import Level
from app.reporting.audit import NamespaceAudit, severity

GROUP = "wgpolicyk8s.io"
VERSION = "v1alpha2"
NAME = "image-registry-limits"
_SOURCE = "registry-admission"
_CATEGORY = "Image registry limits"
_UNKNOWN_SIZE = "unknown-image-size"
_NO_LIMIT = "no-limit"
_MAX_RESULTS = 500
"""Results in one report: the object must stay far below etcd's limit of 1.5 MB."""


def of(item: NamespaceAudit, domain: ApiDomain, now: datetime) -> dict[str, Any]:
    """The report of one namespace.

    An exceeded limit is `fail`, with a severity by its excess. A kept limit is `pass`. Images of
    unknown size are `warn`. A namespace without limits is `skip`. If there are more failures than
    an object can hold, the report lists the worst and counts all.
    """
    namespace = {"apiVersion": "v1", "kind": "Namespace", "name": item.namespace}
    seconds = int(now.timestamp())
    fails = [_failure(level, item.namespace, domain) for level in islice(item.over, _MAX_RESULTS)]
    passes = [
        _result("pass", _policy(limited.source), limited.resource, "Nothing is over the limit.")
        for limited in item.met
    ]
    warns = [_unknown_sizes(item)] if item.unknown_sizes else []
    skips = [_result("skip", _SOURCE, _NO_LIMIT, "Nothing limits it.")] if item.unlimited else []
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "PolicyReport",
        "metadata": {
            "name": NAME,
            "namespace": item.namespace,
            "labels": {"app.kubernetes.io/managed-by": _SOURCE},
        },
        "scope": namespace,
        "summary": {
            "pass": len(passes),
            "fail": len(item.over),
            "warn": len(warns),
            "error": 0,
            "skip": len(skips),
        },
        "results": [
            {**result, "timestamp": {"seconds": seconds, "nanos": 0}}
            for result in (*fails, *warns, *passes, *skips)
        ],
    }


def _failure(level: Level, namespace: str, domain: ApiDomain) -> dict[str, Any]:
    message = f"{level.used} of {level.resource} in use, {level.hard} allowed, {level.over} over."
    return {
        **_result("fail", _policy(level.source), level.resource, message),
        "severity": severity(level),
        "resources": [_subject(level, namespace, domain)],
        "properties": {
            "used": str(level.used),
            "hard": str(level.hard),
            "over": str(level.over),
        },
    }


def _unknown_sizes(item: NamespaceAudit) -> dict[str, Any]:
    message = f"{item.unknown_sizes} images may be too large: their sizes are unknown."
    return {
        **_result("warn", _SOURCE, _UNKNOWN_SIZE, message),
        "scored": False,
        "properties": {"images": str(item.unknown_sizes)},
    }


def _result(result: str, policy: str, rule: str, message: str) -> dict[str, Any]:
    return {
        "source": _SOURCE,
        "policy": policy,
        "rule": rule,
        "category": _CATEGORY,
        "result": result,
        "scored": True,
        "message": message,
    }


def _policy(source: str) -> str:
    """`LimitRange/image-registry-limits` of `LimitRange image-registry-limits`."""
    return source.replace(" ", "/", 1)


def _subject(level: Level, namespace: str, domain: ApiDomain) -> dict[str, str]:
    if level.kind == "Namespace":
        return {"apiVersion": "v1", "kind": "Namespace", "name": level.name}
    subject = {"apiVersion": f"{domain.image_group}/v1", "kind": level.kind, "name": level.name}
    return subject if level.kind == "Image" else {**subject, "namespace": namespace}
