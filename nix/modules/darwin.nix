# artifacts for a macOS machine under nix-darwin, with every bundled backend.
{
  imports = [
    ./base/darwin.nix
    ./backends/agenix.nix
    ./backends/sops-nix.nix
  ];
}
