"""What plug-ins promise: domains, encoders, objectives, supervision, optimizers."""
