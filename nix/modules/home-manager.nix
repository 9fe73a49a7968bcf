# artifacts for a user under Home Manager, standalone or inside NixOS or nix-darwin, with every bundled backend.
{
  imports = [
    ./base/home-manager.nix
  ]
  ++ map (backend: ./backends + "/${backend.module}") (import ../lib/bundled.nix);
}
