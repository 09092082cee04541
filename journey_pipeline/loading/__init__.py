"""What a partition goes through, as plain functions: pull, land, normalize."""
