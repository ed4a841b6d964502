"""Between ``ossature.v1`` messages and OpenAI's JSON, which is what every edge hands to the one validator and gets back."""
