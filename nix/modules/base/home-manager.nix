# What artifacts needs for a user under Home Manager, whatever the backends.
{ lib, ... }:
{
  imports = [
    (import ../core "home-manager")
    ../units/home-manager.nix
  ];
}
// import ../core/class.nix lib "homeManager"
