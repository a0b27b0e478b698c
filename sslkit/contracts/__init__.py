"""What plug-ins promise: domains, encoders, objectives, optimizers."""
