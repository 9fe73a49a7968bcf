# artifacts for a macOS machine under nix-darwin, with every bundled backend.
{
  imports = [
    ./base/darwin.nix
  ]
  ++ map (backend: ./backends + "/${backend.module}") (import ../lib/bundled.nix);
}
