"""Tools for testing applications, hosts and stores; none of them needs pytest."""
