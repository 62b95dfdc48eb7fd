"""Tiny networks are trained without compiling, which would take most of the time; --compiled tries them as users do."""

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Run TensorFlow's functions as Python, but for a test that is marked: fixtures are set up in here, too."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(not (item.config.option.compiled or item.get_closest_marker("compiled")))
    try:
        return (yield)
    finally:
        tf.config.run_functions_eagerly(False)
