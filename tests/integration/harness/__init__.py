"""What the integration tests stand on: the real daemon, a signer, clients, and readers of what the
sinks got. Nothing here shares code with the project: it is the other side of each contract."""
