"""Hundreds of simulated minions on a real master, to see what a command costs that asks them all."""
