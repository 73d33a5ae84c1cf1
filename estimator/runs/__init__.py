"""What one training run takes."""
