"""Outcomes on their way from a child process to its parent."""

import json
from datetime import timedelta

import pytest

from taskcore._policy import Raised
from taskcore._worker._wire import dump_outcome, load_outcome
from taskcore.protocol import Failure

FAILURE = Failure(exception_type="builtins.KeyError", message="x")


@pytest.mark.parametrize("delay", [None, timedelta(0), timedelta(seconds=1.5), timedelta.max])
def test_the_answer_of_a_backoff_function_arrives_as_it_was(delay):
    """``timedelta.max``, which no number of seconds can say, too."""
    outcome = Raised(FAILURE, ("builtins.KeyError",), delay)
    assert outcome == load_outcome(json.loads(json.dumps(dump_outcome(outcome))))
