"""What lash_trio costs, measured against what trio itself costs in the same run."""
