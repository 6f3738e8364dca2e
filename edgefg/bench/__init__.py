"""Speed of a bundle compared with the bare engine and with classical methods, in one run."""
