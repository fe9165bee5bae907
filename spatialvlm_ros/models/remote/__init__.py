"""Models behind a server that speaks the OpenAI protocol: pictures and questions go out, text comes back.

What a server says is data: it is parsed, counted and shown, and nothing in it can trigger anything.
"""
