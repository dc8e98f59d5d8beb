"""No answer of the service names another host, so no browser is led to one."""

import re
from pathlib import Path

import httpx
import pytest

from tests.api.service import serve

TOKEN = "0123456789abcdef"
ABSOLUTE = re.compile(r"(?:https?:)?//([A-Za-z0-9][A-Za-z0-9.-]*[.:][A-Za-z0-9.:-]+)")
XML_NAMESPACE = re.compile(r'xmlns(?::\w+)?="[^"]*"')
LINKED = re.compile(r'(?:href|src|action)="(/[^"?#]*)')
PATHS = {
    "/", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/healthz", "/readyz",
    "/metrics", "/validate", "/mutate", "/v1/push/blob", "/v1/push/authorize/v2/",
    "/page", "/page/refusals", "/page/namespaces/team-a",
}  # fmt: skip


async def answers_of(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> dict[str, httpx.Response]:
    """The answers by path: the known paths, and every path to which an answer links."""
    answers: dict[str, httpx.Response] = {}
    waiting = set(PATHS)
    while waiting:
        path = waiting.pop()
        answers[path] = await client.get(path, headers=headers)
        waiting |= set(LINKED.findall(answers[path].text)) - answers.keys()
    return answers


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="a stranger"),
        pytest.param({"Authorization": f"Bearer {TOKEN}"}, id="an administrator"),
    ],
)
async def test_no_answer_names_another_host(tmp_path: Path, headers: dict[str, str]) -> None:
    (tmp_path / "tokens").write_text(f"{TOKEN} admin *\n")
    flags = ("--page", "on", "--push-tokens", str(tmp_path / "tokens"))
    async with serve(tmp_path, *flags) as running:
        answers = await answers_of(running.client, headers)
    named = {
        path: ABSOLUTE.findall(XML_NAMESPACE.sub("", f"{answer.headers} {answer.text}"))
        for path, answer in answers.items()
    }

    assert {path: hosts for path, hosts in named.items() if hosts} == {}
    assert answers.keys() > PATHS
    assert answers["/openapi.json"].status_code == 200
    assert [answers[path].status_code for path in ("/docs", "/redoc")] == [404, 404]
