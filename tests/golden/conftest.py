"""Golden cases: a small definition in, Envoy's resources out, both in one file that is reviewed like code.

`pytest tests/golden --golden-update` rewrites what a case shows; without it a difference is a failure.
"""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-update", action="store_true", help="rewrite the golden files with what is compiled now")
