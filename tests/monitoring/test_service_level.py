"""The query of the service level in the documentation counts the described reviews."""

from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import DOCS, blocks
from tests.monitoring.programs import run

[QUERY] = [
    block.content for block in blocks(DOCS / "how-to" / "operate.md") if "rate(" in block.content
]


@pytest.mark.parametrize(
    ("series", "level"),
    [
        ({"": 999, "StateUnavailable": 1}, 0.999),
        ({"": 90, "QuotaExceeded": 10, "Overloaded": 0}, 1.0),
        ({"": 96, "Overloaded": 1, "InternalError": 1, "StateUnavailable": 2}, 0.96),
    ],
)
def test_the_level_is_the_share_of_reviews_with_a_verdict(
    promtool: Path, tmp_path: Path, series: dict[str, int], level: float
) -> None:
    test = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {
                        "series": f'registry_admission_reviews_total{{reason="{reason}"}}',
                        "values": f"0+{number}x60",
                    }
                    for reason, number in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": f"round({QUERY}, 0.0001)",
                        "eval_time": "60m",
                        "exp_samples": [{"labels": "{}", "value": level}],
                    }
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    run(promtool, "test", "rules", tmp_path / "test.yaml")
