"""The quickstart: a whole run on the documentation of the packages that were just installed."""
