"""AF_PACKET and nothing else."""
