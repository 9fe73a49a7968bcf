# What artifacts needs on a NixOS machine, whatever its backends.
{
  imports = [
    (import ../core "nixos")
    ../backends/dummy.nix
    ../units/nixos.nix
  ];
}
