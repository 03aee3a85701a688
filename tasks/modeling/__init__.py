"""What pretraining, fine-tuning and evaluation share: models, optimisers, the one trainer, checkpoints, generation."""
