"""The main job, end to end on real parts: one `isthmus demo --check`, and what it found, question by question."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

LIMIT_SECONDS = 90.0
"""Issue 2, point 11, on 2 cores."""

QUESTIONS = (
    "both targets of a weighted route answer",
    "client and server know each other",
    "the revision is live on every proxy",
    "with the control plane killed -9",
    "the control plane comes back",
    "a regex that Envoy refuses",
    "no process and no socket is left",
)


@pytest.fixture(scope="module")
def checked() -> "subprocess.CompletedProcess[str]":
    """`isthmus demo --check --json`, ended."""
    command = [sys.executable, "-m", "isthmus.cli.main", "demo", "--check", "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=3 * LIMIT_SECONDS, check=False)


@pytest.fixture(scope="module")
def report(checked: "subprocess.CompletedProcess[str]") -> Mapping[str, Any]:
    """The report, which is all that is on stdout."""
    found: Mapping[str, Any] = json.loads(checked.stdout)
    return found


def _step(report: Mapping[str, Any], question: str) -> Mapping[str, Any]:
    found = [step for step in report["steps"] if question in step["name"]]
    assert found, f"not asked; the report says {report['steps']}"
    return dict(found[0])


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_holds_that(report: Mapping[str, Any], question: str) -> None:
    step = _step(report, question)
    assert step["ok"], step["details"]


def test_the_check_ends_with_0_and_says_what_it_does_meanwhile(
    checked: "subprocess.CompletedProcess[str]", report: Mapping[str, Any]
) -> None:
    assert (checked.returncode, report["ok"]) == (0, True), checked.stderr
    assert all(step["name"] in checked.stderr for step in report["steps"])


def test_it_takes_no_longer_than_it_may(report: Mapping[str, Any]) -> None:
    assert report["seconds"] <= LIMIT_SECONDS
    assert all(step["seconds"] >= 0 for step in report["steps"])


def test_the_server_saw_the_clients_own_trust_domain(report: Mapping[str, Any]) -> None:
    seen = _step(report, "client and server know each other")["details"]
    assert seen["client"].startswith("spiffe://east-")
    assert seen["server"].startswith("spiffe://west-")


def test_what_was_killed_and_refused_is_told(report: Mapping[str, Any]) -> None:
    told = _step(report, "with the control plane killed -9")["details"]
    assert {"api", "worker", "beat", "relay", "postgres", "valkey", "hub-us-east-1", "hub-eu-west-1"} == set(
        told["killed"]
    )
    assert told["refused_before"] == told["refused_after"] != []
    assert told["requests"] >= 200
    assert told["envoy_back_after_s"] <= 5.0
