"""Plays scenarios in a NixOS test: what the steps of tests/scenarios/*.toml do to the test driver's machines."""
