"""The stream `user_profiles`: lists of people that a person exports from the panel and drops in a folder."""
