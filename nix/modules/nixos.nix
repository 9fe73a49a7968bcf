# artifacts for a NixOS machine.
{
  imports = [
    (import ./core "nixos")
    ./backends/agenix.nix
    ./backends/sops-nix.nix
    ./units/nixos.nix
  ];
}
