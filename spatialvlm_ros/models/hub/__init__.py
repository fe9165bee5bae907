"""Any image-text-to-text model of a hub as a backend: digit-tree read-out, prefix cache, grounding in words."""
