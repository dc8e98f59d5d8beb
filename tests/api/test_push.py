"""Push checks of the real command, on the example state."""

from pathlib import Path

from tests.api.service import serve

TOKEN = "0123456789abcdef"
QUESTION = {"repository": "team-a/app", "declaredSize": 1200 * 2**20}


async def test_a_registry_asks_before_it_takes_a_blob(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN} registry *\n")
    async with serve(tmp_path, "--push-tokens", str(tokens)) as running:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        known = await running.client.post("/v1/push/blob", json=QUESTION, headers=bearer)
        stranger = await running.client.post("/v1/push/blob", json=QUESTION)
        documented = (await running.client.get("/openapi.json")).json()["paths"]

    assert known.status_code == 200
    assert (known.json()["allowed"], known.json()["remaining"]) == (False, 2**30)
    assert "(1200Mi > 1Gi)" in known.json()["errors"][0]["message"]
    assert stranger.status_code == 401
    assert "/v1/push/manifest" in documented


async def test_without_tokens_and_cluster_nobody_is_answered(tmp_path: Path) -> None:
    async with serve(tmp_path) as running:
        answer = await running.client.post("/v1/push/blob", json=QUESTION)

    assert answer.status_code == 404
