//! From a spec and the states of its instances to ordered steps.
