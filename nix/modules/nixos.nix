# artifacts for a NixOS machine.
{
  imports = [
    (import ./core "nixos")
    ./backends/agenix.nix
    ./backends/sops-nix.nix
    ./backends/dummy.nix
    ./units/nixos.nix
  ];
}
