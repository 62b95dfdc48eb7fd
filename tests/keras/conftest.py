"""Tiny networks are trained without compiling, which would take most of the time; --compiled tries them as users do."""

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Run TensorFlow's functions as Python, but for a test that is marked: fixtures are set up in here, too."""
    from helpers import tiny

    with tiny.compiling(bool(item.config.option.compiled or item.get_closest_marker("compiled"))):
        return (yield)
