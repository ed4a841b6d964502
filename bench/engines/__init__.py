"""What routing gains on real engines: many organizations with long prompts of their own, and one routing policy after another."""
