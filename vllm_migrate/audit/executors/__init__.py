"""Where the engines of an audit run: on this machine, or on a cluster."""
