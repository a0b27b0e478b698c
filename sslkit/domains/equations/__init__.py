"""Differential equations and their reference solutions."""
