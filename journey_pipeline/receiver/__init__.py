"""Takes the calls of vendors that answer by webhook: judges, keeps and answers them. It asks nothing of anybody."""
