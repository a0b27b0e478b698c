"""The machine below: memory, processors, signals, standard streams."""
