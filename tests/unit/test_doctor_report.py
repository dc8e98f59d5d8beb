"""The output of `doctor` beside its findings."""

import pytest

from app.cli.doctor_report import show
from app.doctor.finding import Diagnosis, NotChecked


def test_checks_that_did_not_run_for_one_reason_share_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    checks = (("PVCs", "forbidden"), ("image data", "not asked"), ("Pods", "forbidden"))

    show(Diagnosis((), tuple(NotChecked(*check) for check in checks)), "table", headers=True)

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "Not checked: PVCs, Pods: forbidden",
        "Not checked: image data: not asked",
        "Findings: error: 0, warning: 0, info: 0. Not checked: 3.",
    ]
