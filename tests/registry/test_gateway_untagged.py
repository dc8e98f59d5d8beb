"""Images that partly refused pushes leave behind are shown, and do not count."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.patience import PATIENCE

from . import images
from .programs import ON_BOTH, Registry, gateway, run

TOKEN = "0123456789abcdef"
APP = "team-a/app"


@ON_BOTH
async def test_untagged_images_are_in_usage_and_on_the_page(
    upstream: Registry, tmp_path: Path
) -> None:
    """The children of an index are pushed by digest. Its tag is refused."""
    images.limits(tmp_path, "team-a", image_tags=1)
    (tmp_path / "tokens").write_text(f"{TOKEN} ada team-*\n")
    flags = ("--untagged-grace", "500ms", "--page-tokens", str(tmp_path / "tokens"))
    children = [images.image(f"child{n}") for n in range(2)]
    async with (
        gateway(tmp_path, upstream.url, *flags) as gate,
        httpx.AsyncClient(base_url=gate.url, timeout=PATIENCE) as client,
    ):
        await images.push_blob(client, APP)
        for reference, content in (
            ("v1", images.image("v1")),
            *((images.digest_of(child), child) for child in children),
        ):
            pushed = await images.push_manifest(client, APP, reference, content)
            assert pushed.status_code == 201, pushed.text
        refused = await images.push_manifest(client, APP, "v2", images.index(*children))
        async with asyncio.timeout(PATIENCE):
            while "untagged_images 2.0" not in (await client.get("/metrics")).text:
                await asyncio.sleep(0.1)
        usage = await _usage(tmp_path)
        stranger = await client.get("/page/namespaces/team-a")
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        page = await client.get("/page/namespaces/team-a")

    assert refused.status_code == 403
    assert usage["untaggedImages"] == 2
    assert [level["used"] for level in usage["totals"]] == [1, 1, 1]
    assert stranger.status_code == 401
    assert "2 images without a tag, left by refused or replaced pushes; they do not" in page.text
    assert "exceeded quota: limits, requested: alauda.io/image-tags=1" in page.text


async def _usage(folder: Path) -> dict[str, Any]:
    """The namespace in the output of `usage`, which reads the database of a running gateway."""
    flags = ("--state", folder / "limits", "--database", folder / "gateway.db", "-o", "json")
    result = await run(sys.executable, "-m", "app", "usage", "team-a", *flags)
    assert result.code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)["items"][0]
    return found
