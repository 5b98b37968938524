"""The API door: wire-compatible with the provider's partner API."""
