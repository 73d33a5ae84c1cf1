"""What a model's training compute is under public rules, stated line by line."""
