"""The initiator."""
