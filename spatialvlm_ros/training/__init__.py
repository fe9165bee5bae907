"""Training of the spatial VLM: rendered views, packed questions, losses, the trainer, fine-tuning of hub models."""
