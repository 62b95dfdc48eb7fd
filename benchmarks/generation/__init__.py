"""How good the generators are, on texts that others measured on, too."""
