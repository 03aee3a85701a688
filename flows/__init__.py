"""What runs: the pipeline's graph, the flows that Prefect serves, and the `nightmill` command."""
