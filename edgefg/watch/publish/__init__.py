"""Outputs for events: files of JSON lines and MQTT brokers."""
