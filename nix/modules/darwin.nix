# artifacts for a macOS machine under nix-darwin.
{
  imports = [
    (import ./core "darwin")
    ./backends/agenix.nix
    ./backends/sops-nix.nix
  ];
}
