"""Adapters of the capture ports, one file a system or device kind."""
