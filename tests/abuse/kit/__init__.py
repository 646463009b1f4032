"""What the abuses stand on, beside the harness of tests/integration: the counts, a crowd of
connections on one thread, a well-behaved bystander, and what the daemon says of itself."""
