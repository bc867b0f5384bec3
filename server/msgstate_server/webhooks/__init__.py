"""Webhooks of email providers: who may post them, what they say in msgstate's words, and what is answered."""
