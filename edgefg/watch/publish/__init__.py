"""Events of ``edgefg watch`` to files and to MQTT brokers."""
