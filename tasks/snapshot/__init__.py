"""Looks at the sources and keeps when each file was first seen."""
