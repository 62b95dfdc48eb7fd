"""What a command answers, and models that fail."""

import re

ONE_SENTENCE = re.compile(r"(Error|Interrupted)[:.] [^\n]+\n")


def names(folder):
    """Return the names of what is not hidden in a folder."""
    return sorted(path.name for path in folder.glob("[!.]*"))


def refused(result, message, *, exit_code=1):
    """Assert one sentence on stderr, holding `message`, and nothing else."""
    assert result.exit_code == exit_code, result.output
    assert ONE_SENTENCE.fullmatch(result.stderr), result.stderr
    assert message in result.stderr


def failing(error):
    def fit(self, train, validation, *, progress=None):
        raise error

    return fit
