"""What a request and a token cost in a gateway's process, without Ray: a profile of our own part that repeats well."""
