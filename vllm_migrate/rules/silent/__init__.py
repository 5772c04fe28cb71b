"""What runs on with another training signal."""
