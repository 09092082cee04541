"""The stream `user_events`: journeys entered and left, and messages of journeys, with what people did with them."""
