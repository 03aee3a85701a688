"""The stage contract, the planner, the runner and its child process, work over parts, and the one Prefect wrapper."""
