"""The package is imported by its tests alone: collecting it would add its parts for all tests."""

collect_ignore = ["package"]
