//! Running Nix: evaluation, realisation, closures.
