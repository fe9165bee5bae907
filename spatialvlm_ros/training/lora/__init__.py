"""Fine-tuning of hub models with LoRA on chat records; the adapter is loaded by `HubBackend.from_pretrained`."""
