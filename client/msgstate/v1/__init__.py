"""The messages and stubs of the `msgstate.v1` contract, generated from `protos/`."""
