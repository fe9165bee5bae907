"""The data engine: sources of views, question generation, Parquet shards, resume, preview, export."""
