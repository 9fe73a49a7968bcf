# What artifacts needs for a user under Home Manager, whatever the backends.
{
  imports = [
    (import ../core "home-manager")
    ../units/home-manager.nix
  ];
}
