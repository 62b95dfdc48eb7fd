"""The exceptions that the command line turns into a sentence."""


class UserError(ValueError):
    """Something the user can mend: the message says what came, what is allowed and what to do."""

    exit_code = 1  # of a command that ends with it; 2 is that of options that the command does not have


class WorseError(UserError):
    """A comparison found what it was to look for: a model is worse."""

    exit_code = 3
