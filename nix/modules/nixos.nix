# artifacts for a NixOS machine, with every bundled backend.
{
  imports = [
    ./base/nixos.nix
  ]
  ++ map (backend: ./backends + "/${backend.module}") (import ../lib/bundled.nix);
}
