"""From lines of a training file, in OpenAI's format, to rows that a trainer reads."""
