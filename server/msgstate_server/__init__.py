"""The msgstate service: webhooks and published events in, message states and a stream of transitions out."""
