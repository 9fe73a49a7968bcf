# What artifacts needs on a NixOS machine, whatever its backends.
{ lib, ... }:
{
  imports = [
    (import ../core "nixos")
    ../units/nixos.nix
  ];
}
// import ../core/class.nix lib "nixos"
