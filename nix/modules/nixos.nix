# artifacts for a NixOS machine.
{
  imports = [
    (import ./core "nixos")
    ./backends/agenix.nix
    ./units/nixos.nix
  ];
}
