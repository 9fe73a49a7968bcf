# What artifacts needs on a NixOS machine, whatever its backends.
{
  imports = [
    (import ../core "nixos")
    ../units/nixos.nix
  ];
}
