# What artifacts needs on a macOS machine under nix-darwin, whatever its backends.
{
  imports = [
    (import ../core "darwin")
  ];
}
