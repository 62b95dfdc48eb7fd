"""The one exception that the command line turns into a sentence."""


class UserError(ValueError):
    """Something the user can mend: the message says what came, what is allowed and what to do."""
