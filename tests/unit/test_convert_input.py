"""What `convert` reads, and input that it cannot convert."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.conversions import DATA, config_map, run

OTHER = config_map("registry-gateway-config", tag_count_limit="5")


@pytest.mark.parametrize(
    ("documents", "arguments", "problem"),
    [
        ([], (), "stdin:1: there is no object in this file"),
        (
            [config_map("alerts", rules="groups: []")],
            (),
            "no legacy ConfigMap found in stdin: it is named image-registry-limit-config or",
        ),
        (
            [config_map("registry-gateway-config", max_image_size="1 potato")],
            (),
            "max_image_size: '1 potato' is not a size",
        ),
        (
            [config_map("image-registry-limit-config", **DATA), OTHER],
            (),
            "cpaas-system/image-registry-limit-config and cpaas-system/registry-gateway-config "
            "differ: choose the one that the gateway reads with --config-map NAMESPACE/NAME",
        ),
        (
            [OTHER],
            ("--config-map", "a/b"),
            "there is no legacy ConfigMap a/b in stdin; found: "
            "cpaas-system/registry-gateway-config",
        ),
        ([OTHER], (), "no rule names a namespace: list them with --namespaces"),
    ],
)
def test_input_that_cannot_be_converted_ends_with_3(
    documents: list[dict[str, Any]], arguments: tuple[str, ...], problem: str
) -> None:
    answer = run("-", *arguments, stdin=yaml.safe_dump_all(documents))
    assert answer.exit_code == 3
    assert answer.stdout == ""
    assert problem in answer.stderr


def test_invalid_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: ConfigMap\ndata: [")
    assert f"{tmp_path / 'bad.yaml'}:2: " in run(tmp_path / "bad.yaml").stderr
    answer = run("-", stdin="kind: ConfigMap\ndata: [")
    assert (answer.exit_code, "stdin:2: " in answer.stderr) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "name a FILE with the ConfigMap, or use --from-cluster"),
        (("--from-cluster", "-"), "use only one of FILE and --from-cluster"),
    ],
)
def test_convert_takes_one_source(arguments: tuple[str, ...], problem: str) -> None:
    answer = run(*arguments)
    assert answer.exit_code == 2
    assert problem in answer.stderr


def test_convert_chooses_one_of_several_config_maps() -> None:
    documents = [config_map("image-registry-limit-config", **DATA), OTHER]
    chosen = ("--config-map", "cpaas-system/registry-gateway-config", "--namespaces", "team-a")
    answer = run("-", *chosen, stdin=yaml.safe_dump_all(documents))
    assert "alauda.io/image-tags: '5'" in answer.stdout
