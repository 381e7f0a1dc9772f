"""Carrying a plan out: the fleet port, the scheduler, the steps, the lock, the journal."""
