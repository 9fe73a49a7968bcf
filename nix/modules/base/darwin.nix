# What artifacts needs on a macOS machine under nix-darwin, whatever its backends.
{ lib, ... }:
{
  imports = [
    (import ../core "darwin")
  ];
}
// import ../core/class.nix lib "darwin"
