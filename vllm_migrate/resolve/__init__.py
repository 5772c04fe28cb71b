"""What a name in user code means: import tables, project index, value flow."""
