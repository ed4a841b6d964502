"""What runs in the training process itself. Importing a module of this package loads PyTorch, transformers, PEFT and TRL."""
