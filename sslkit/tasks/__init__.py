"""What the labels mean. A file's name is its name on the command line."""
