"""How Nightmill is deployed: the quickstart and, later, Prefect deployments and containers."""
