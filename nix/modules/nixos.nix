# artifacts for a NixOS machine, with every bundled backend.
{
  imports = [
    ./base/nixos.nix
    ./backends/agenix.nix
    ./backends/sops-nix.nix
  ];
}
