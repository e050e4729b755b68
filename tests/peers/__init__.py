"""Programs that the tests talk to, and that share no line with rawecho: the tutorial's pair and a tap."""
