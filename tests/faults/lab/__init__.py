"""The laboratory: the oracle's parts, what starts it, and the table of counts. The harness of the
integration tests is the other half."""
