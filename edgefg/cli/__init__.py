"""The command line: ``edgefg COMMAND``."""
