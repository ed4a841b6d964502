"""What ``ossature talk`` is made of: a connection, a client's side of the conversation, and where sound comes from and goes to."""
