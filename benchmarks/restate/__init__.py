"""What the Restate engine costs, as a ratio to the stock SDK on the same server in the same run."""
