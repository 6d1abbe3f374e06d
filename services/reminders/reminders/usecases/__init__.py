"""One verb a file: claim, load, decide, save, tell."""
