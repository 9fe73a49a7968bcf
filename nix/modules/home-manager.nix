# artifacts for a user under Home Manager, standalone or inside NixOS or nix-darwin.
{
  imports = [
    (import ./core "home-manager")
    ./backends/agenix.nix
    ./backends/sops-nix.nix
    ./backends/dummy.nix
    ./units/home-manager.nix
  ];
}
