"""What each arm of an audit does in its engine, and what all of them share."""
