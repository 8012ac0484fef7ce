"""What the end-to-end tests share: running programs, a host in a directory, readers of outputs."""
