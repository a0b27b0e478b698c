"""How knowledge is kept or moved. A file's name is its name on the command line."""
