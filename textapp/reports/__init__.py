"""Reports as JSON, HTML, Markdown and on the terminal, from the numbers of a run."""
