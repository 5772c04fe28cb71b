"""What can no longer be imported."""
