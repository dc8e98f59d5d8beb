"""A folder of limits and streams for `usage`, and the command on it."""

from pathlib import Path

from click.testing import CliRunner, Result

from app.cli.main import main

STATE = """\
apiVersion: v1
kind: ResourceQuota
metadata: {name: small, namespace: team-a}
spec: {hard: {alauda.io/image-tags: "1", alauda.io/imagestreams: "4"}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits, namespace: team-a}
spec: {limits: [{type: alauda.io/ImageStream, max: {alauda.io/images: "5"}}]}
---
apiVersion: image.alauda.io/v1
kind: ImageStream
metadata: {name: app, namespace: team-a}
spec: {tags: [{name: v1}, {name: v2}]}
---
apiVersion: image.alauda.io/v1
kind: ImageStream
metadata: {name: web, namespace: team-b}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["usage", *map(str, arguments)])
