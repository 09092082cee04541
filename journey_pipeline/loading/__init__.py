"""The steps of a partition as plain functions: pull, land, normalize."""
