"""Why a run has failed, in one line: by its stage, or by what failed beside all stages."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._utils.error import SerializableErrorInfo

from mech_exo_assets.cli.launch import _raise_failure
from mech_exo_assets.errors import MechExoError


def test_what_failed_beside_the_stages_is_told_in_one_line():
    error = SerializableErrorInfo(message="Exception: Iteration is not allowed\non a record.\n", stack=[], cls_name="Exception", cause=None)
    data = JobFailureData(error=error, failure_reason=RunFailureReason.RUN_EXCEPTION)
    event = dg.DagsterEvent(event_type_value="PIPELINE_FAILURE", job_name="refresh", event_specific_data=data)
    with pytest.raises(MechExoError) as told:
        _raise_failure("7", [event])
    assert str(told.value) == (
        "run 7 failed beside its stages: Exception: Iteration is not allowed on a record. `mech-exo up` shows its log."
    )


def test_a_run_without_an_outcome_is_no_success():
    with pytest.raises(MechExoError, match="run 7 ended without an outcome"):
        _raise_failure("7", [])
