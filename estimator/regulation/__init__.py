"""What public rules count as training compute, and what they hold it to: data, with sources."""
